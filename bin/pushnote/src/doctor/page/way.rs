//! The way to a site: its name, a connection, TLS.

use std::net::IpAddr;

use rustls::ProtocolVersion;
use tokio::time::Instant;

use super::site::Site;
use super::trouble::Trouble;
use crate::doctor::report::Report;

/// A line for each step, up to one that fails.
pub(super) async fn examine(
    site: &Site,
    insecure: bool,
    report: &mut Report,
) -> Result<(), (&'static str, Trouble)> {
    let addresses = site.addresses().await.map_err(|trouble| ("name", trouble))?;
    let text: Vec<_> = addresses.iter().map(|address| address.ip().to_canonical()).collect();
    report.ok("page", "name", text.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", "));
    let started = Instant::now();
    let tcp = site.tcp().await.map_err(|trouble| ("connect", trouble))?;
    report.ok("page", "connect", format_args!("port {} in {:.1?}", site.port(), started.elapsed()));
    if !site.is_tls() {
        return Ok(());
    }
    let started = Instant::now();
    let tls = site.tls(tcp, &[b"h2", b"http/1.1"]).await.map_err(|trouble| ("tls", trouble))?;
    let (_, session) = tls.get_ref();
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    let http = match session.alpn_protocol() {
        Some(b"h2") => "HTTP/2",
        _ => "HTTP/1.1 alone: a browser has six streams to it at most (HTTP/2 at the proxy lifts that)",
    };
    let text = format!("{version} in {:.1?}, {http}", started.elapsed());
    if insecure {
        report.warn("page", "tls", format_args!("{text}; its certificate is not looked at (--insecure)"));
    } else {
        report.ok("page", "tls", text);
    }
    Ok(())
}
