//! TLS with a peer whose certificate a person has compared: that one, and no other.
//!
//! It reads no file and knows no protocol; who pins says how a refusal reads.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};

/// Accepts one certificate by the SHA-256 of its DER form. Its dates, names and issuers do not matter: the
/// fingerprint came from a person who has looked at that very certificate.
#[derive(Debug)]
pub struct Pinned {
    fingerprint: [u8; 32],
    provider: Arc<CryptoProvider>,
    refusal: fn(&[u8; 32]) -> String,
}

impl Pinned {
    /// `refusal` words what is told when a certificate of another fingerprint is shown.
    pub fn new(
        fingerprint: [u8; 32],
        provider: Arc<CryptoProvider>,
        refusal: fn(&[u8; 32]) -> String,
    ) -> Self {
        Self { fingerprint, provider, refusal }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown: [u8; 32] = Sha256::digest(end_entity).into();
        if shown == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General((self.refusal)(&shown)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
