//! The agent's side of the gateway's interface over HTTP: one method a request, answers as types.
//!
//! No retries, no cursor, no belief in what is answered: that is the runtime's business.

use observation::{Clock, Instant};
use protocols::pinned::Pinned;
use reqwest::{Certificate, StatusCode};
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uplink::{
    ConsistencyProof, Hash, Offset, Outcome, Problem, STATEMENTS_TYPE, Stamps, StreamState, TIME_HEADER, path,
};

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE_REQUEST: Duration = Duration::from_secs(30);
/// No answer that an agent reads is longer, bytes.
const MAX_ANSWER: usize = 1 << 20;
/// Wall and monotonic clock differ by this much over one request: the wall clock was set. Slewing does less.
const STEPPED_MS: u64 = 20;

/// A gateway.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    #[cfg(feature = "simulation")]
    carrier: Option<Arc<dyn carried::Carrier>>,
}

/// What came back.
struct Answer {
    status: u16,
    retry_after: Option<u32>,
    stamps: Option<Stamps>,
    body: Vec<u8>,
}

/// Why there is no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The client cannot be built.
    #[error("the connection to {gateway} cannot be prepared: {detail}")]
    Setup {
        /// As configured.
        gateway: String,
        /// What is wrong.
        detail: String,
    },
    /// The certificate file cannot be used.
    #[error("{}: no usable certificate: {detail}; check uplink.ca_file", path.display())]
    CaFile {
        /// As configured.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Nobody answers.
    #[error("{url} does not answer: {detail}; statements are kept until it does")]
    Unreachable {
        /// The request.
        url: String,
        /// What was seen.
        detail: String,
    },
    /// It answers no.
    #[error("{url} answers {status}: {detail}")]
    Refused {
        /// The request.
        url: String,
        /// HTTP status.
        status: u16,
        /// The gateway's words.
        detail: String,
    },
    /// Its answer cannot be read.
    #[error("{url} answers something that cannot be read: {detail}")]
    Answer {
        /// The request.
        url: String,
        /// What is wrong.
        detail: String,
    },
}

impl Client {
    /// Prepares a client. With a fingerprint exactly that certificate is accepted; with a CA file exactly what it
    /// issued.
    pub fn new(
        gateway: &str,
        fingerprint: Option<Hash>,
        ca_file: Option<&PathBuf>,
    ) -> Result<Self, ClientError> {
        // TLS needs a provider for the whole process; a second installation is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let setup = |e: &dyn std::fmt::Display| ClientError::Setup {
            gateway: gateway.to_owned(),
            detail: e.to_string(),
        };
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(WHOLE_REQUEST)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(1);
        if let Some(fingerprint) = fingerprint {
            builder = builder.tls_backend_preconfigured(pinned(fingerprint));
        } else if let Some(path) = ca_file {
            let wrong =
                |e: &dyn std::fmt::Display| ClientError::CaFile { path: path.clone(), detail: e.to_string() };
            let pem = std::fs::read(path).map_err(|e| wrong(&e))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| wrong(&e))?;
            builder = builder.tls_certs_only(certificates);
        } else {
            // Plain HTTP on loopback; no certificate is trusted without being named.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|e| setup(&e))?;
        Ok(Self {
            http,
            base: gateway.trim_end_matches('/').to_owned(),
            #[cfg(feature = "simulation")]
            carrier: None,
        })
    }

    /// Sends statements. What comes back beside the outcome is how far the gateway's clock is ahead of this one,
    /// where it says so and no clock stepped meanwhile.
    pub async fn push(
        &self,
        project: &str,
        body: Vec<u8>,
        clock: &dyn Clock,
    ) -> Result<(Outcome, Option<Offset>), ClientError> {
        let asked = clock.now();
        let (_, answer) = self.exchange(&path::statements(project), Some(body)).await?;
        let offset = answer.stamps.and_then(|stamps| measured(stamps, asked, clock.now()));
        Ok((Outcome::of(answer.status, answer.retry_after, &answer.body), offset))
    }

    /// Where a stream stands.
    pub async fn stream(&self, project: &str, kid: &Hash) -> Result<StreamState, ClientError> {
        self.json(&path::stream(project, kid)).await
    }

    /// The newest checkpoint's note; none while the log has none.
    pub async fn checkpoint(&self, project: &str) -> Result<Option<Vec<u8>>, ClientError> {
        self.optional(&path::checkpoint(project)).await
    }

    /// A receipt; none while the entry is not sealed.
    pub async fn receipt(&self, project: &str, index: u64) -> Result<Option<Vec<u8>>, ClientError> {
        self.optional(&path::receipt(project, index)).await
    }

    /// A consistency proof between two tree sizes.
    pub async fn consistency(&self, project: &str, from: u64, to: u64) -> Result<Vec<Hash>, ClientError> {
        let path = path::consistency(project, from, to);
        let proof: ConsistencyProof = self.json(&path).await?;
        if (proof.from, proof.to) == (from, to) {
            return Ok(proof.hashes);
        }
        let detail = format!("a proof from {} to {} was given", proof.from, proof.to);
        Err(ClientError::Answer { url: format!("{}{path}", self.base), detail })
    }

    /// End of the last window in the statements of a stream up to and with `seq`, UTC s; none when there is no
    /// window, or when the gateway's tables know the stream beyond `seq` only. Tables that have not come so far
    /// yet are an error, to be asked again: without its end nobody could say what is lost behind it.
    pub async fn windows_end(&self, project: &str, kid: &Hash, seq: u64) -> Result<Option<i64>, ClientError> {
        #[derive(serde::Deserialize)]
        struct Overview {
            streams: Vec<Stream>,
        }
        #[derive(serde::Deserialize)]
        struct Stream {
            kid: String,
            last_seq: Option<u64>,
            windows_end: Option<i64>,
        }
        let path = path::PROJECT.replace("{project}", &path::segment(project));
        let overview: Overview = self.json(&path).await?;
        let own = overview.streams.into_iter().find(|s| s.kid == hex::encode(kid));
        match own {
            Some(own) if own.last_seq == Some(seq) => Ok(own.windows_end),
            Some(own) if own.last_seq > Some(seq) => Ok(None),
            _ => {
                let detail = format!("its tables have not come to statement {seq} of this box yet");
                Err(ClientError::Answer { url: format!("{}{path}", self.base), detail })
            }
        }
    }

    async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let (url, body) = self.get(path).await?;
        serde_json::from_slice(&body).map_err(|e| ClientError::Answer { url, detail: e.to_string() })
    }

    async fn optional(&self, path: &str) -> Result<Option<Vec<u8>>, ClientError> {
        match self.get(path).await {
            Ok((_, body)) => Ok(Some(body)),
            Err(ClientError::Refused { status: 404 | 409, .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    async fn get(&self, path: &str) -> Result<(String, Vec<u8>), ClientError> {
        let (url, Answer { status, body, .. }) = self.exchange(path, None).await?;
        if status == StatusCode::OK.as_u16() {
            return Ok((url, body));
        }
        let detail = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => problem.detail,
            Err(_) => "no description".to_owned(),
        };
        Err(ClientError::Refused { url, status, detail })
    }

    /// Posts statements, or gets what stands at a path.
    async fn exchange(&self, path: &str, body: Option<Vec<u8>>) -> Result<(String, Answer), ClientError> {
        let url = format!("{}{path}", self.base);
        #[cfg(feature = "simulation")]
        if let Some(carrier) = &self.carrier {
            let carried = carrier.carry(path.to_owned(), body).await;
            let carried = carried.map_err(|detail| ClientError::Unreachable { url: url.clone(), detail })?;
            let (status, retry_after, body) = carried;
            return Ok((url, Answer { status, retry_after, stamps: None, body }));
        }
        let request = match body {
            Some(body) => self.http.post(&url).header("content-type", STATEMENTS_TYPE).body(body),
            None => self.http.get(&url),
        };
        let response = request.send().await.map_err(|e| unreachable_at(&url, &e))?;
        let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        let stamps = response.headers().get(TIME_HEADER).and_then(|v| v.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        let body = read(&url, response).await?;
        Ok((url, Answer { status, retry_after, stamps, body }))
    }
}

/// The seam at which a simulation takes the place of HTTP: everything above it is the product's.
#[cfg(feature = "simulation")]
pub mod carried {
    use super::Client;
    use std::pin::Pin;
    use std::sync::Arc;

    /// Status, `retry-after` and body; or why there is no answer.
    pub type Carried = Result<(u16, Option<u32>, Vec<u8>), String>;

    /// A network.
    pub trait Carrier: Send + Sync + std::fmt::Debug {
        /// Posts `body` to a path, or gets what stands there.
        fn carry(
            &self,
            path: String,
            body: Option<Vec<u8>>,
        ) -> Pin<Box<dyn Future<Output = Carried> + Send + '_>>;
    }

    impl Client {
        /// A client of this network.
        #[must_use]
        pub fn carried_by(mut self, carrier: Arc<dyn Carrier>) -> Self {
            self.carrier = Some(carrier);
            self
        }
    }
}

/// The offset of one exchange; none when the wall clock did not run as the monotonic one in between.
fn measured(stamps: Stamps, asked: Instant, heard: Instant) -> Option<Offset> {
    let took = i64::try_from(heard.mono.0.checked_sub(asked.mono.0)?).ok()?;
    let shown = heard.utc.0.checked_sub(asked.utc.0)?;
    if shown.abs_diff(took) > STEPPED_MS {
        return None;
    }
    stamps.offset(asked.utc.0, heard.utc.0)
}

/// Says the innermost cause, which is the one a person can act on.
fn unreachable_at(url: &str, error: &reqwest::Error) -> ClientError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    ClientError::Unreachable { url: url.to_owned(), detail: cause.to_string() }
}

async fn read(url: &str, mut response: reqwest::Response) -> Result<Vec<u8>, ClientError> {
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await.map_err(|e| unreachable_at(url, &e))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(ClientError::Answer { url: url.to_owned(), detail: "it is too long".to_owned() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn pinned(fingerprint: Hash) -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let refusal = |shown: &Hash| {
        format!("its certificate is sha256:{}, not the one in uplink.fingerprint", hex::encode(shown))
    };
    let verifier = Arc::new(Pinned::new(fingerprint, provider, refusal));
    rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth()
}
