//! Opens the connection to a broker: TCP, TLS where the address says so, and the sieve for messages that are
//! too large. The client crates get a stream and know nothing of this.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::settings::Settings;
use super::sieve::{Emptied, Sieve, Sieved};
use super::wire::MAX_PACKET_BYTES;

/// A stream to a broker, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// What [`dial`] makes.
pub(super) type Connection = Sieved<Box<dyn Stream>>;

/// Everything needed to open one connection.
#[derive(Clone)]
pub(super) struct Dialler {
    pub(super) settings: Arc<Settings>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) emptied: Emptied,
}

impl Dialler {
    /// Opens it. The caller's time-out ends it.
    pub(super) async fn dial(self) -> io::Result<Connection> {
        let Settings { host, port, version, .. } = &*self.settings;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        // Acknowledgements are small and a broker waits for them.
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match self.tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                Box::new(TlsConnector::from(config).connect(name, stream).await?)
            }
        };
        let sieve = Sieve::new(MAX_PACKET_BYTES as usize, *version, self.emptied);
        Ok(Sieved::new(stream, sieve))
    }
}
