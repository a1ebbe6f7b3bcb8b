//! TLS as the flags want it.

use std::path::Path;
use std::sync::Arc;

use pushnote_cli::{Failure, read_setting};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

/// A file that is longer, in bytes, has something else in it.
const CA_BYTES_MAX: u64 = 4 << 20;

/// What asks for HTTP/2 or 1.1, as browsers do.
pub(super) fn config(ca: Option<&Path>, insecure: bool) -> Result<ClientConfig, Failure> {
    let extra = match ca {
        Some(path) => authorities(path)?,
        None => Vec::new(),
    };
    let config = pushnote_webpush::tls(&extra)
        .map_err(|error| Failure::config(format!("--ca: no certificate of an authority: {error}")))?;
    let mut config = Arc::unwrap_or_clone(config);
    if insecure {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        config.dangerous().set_certificate_verifier(Arc::new(AnyCertificate(algorithms)));
    }
    Ok(config)
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let text = read_setting("--ca", path, CA_BYTES_MAX)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Failure::config(format!("--ca: {} holds no certificate in PEM", path.display()))),
    }
}

/// Takes whatever is shown, for --insecure.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
