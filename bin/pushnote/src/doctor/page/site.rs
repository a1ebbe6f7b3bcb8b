//! What pages connect to: its address, and connections there.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pushnote_cli::Failure;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::trouble::{Step, Trouble};
use crate::doctor::report::Fault;

pub(super) struct Site {
    /// Without a slash at its end.
    url: Url,
    /// Of the pages.
    pub(super) origin: String,
    /// For each step.
    pub(super) timeout: Duration,
    tls: Arc<ClientConfig>,
    addresses: OnceLock<Vec<SocketAddr>>,
}

/// A connection, as far as HTTP is concerned.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Site {
    pub(super) fn new(
        url: &str,
        origin: Option<&str>,
        timeout: Duration,
        tls: ClientConfig,
    ) -> Result<Self, Failure> {
        let url = parse(url).map_err(|error| Failure::usage(format!("URL: {error}")))?;
        let origin = match origin {
            Some(text) => origin_of(text).map_err(|error| Failure::usage(format!("--origin: {error}")))?,
            None => url.origin().ascii_serialization(),
        };
        Ok(Self { url, origin, timeout, tls: Arc::new(tls), addresses: OnceLock::new() })
    }

    /// The same for the URL that a server sends pages to.
    pub(super) fn moved(&self, url: &str) -> Result<Self, String> {
        let (origin, tls) = (self.origin.clone(), Arc::clone(&self.tls));
        Ok(Self { url: parse(url)?, origin, timeout: self.timeout, tls, addresses: OnceLock::new() })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// As the `Host` header has it.
    pub(super) fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }

    /// What to say of trouble there.
    pub(super) fn fault(&self, check: &'static str, trouble: &Trouble) -> Fault {
        trouble.fault(check, &self.authority(), self.host(), self.is_tls())
    }

    /// The path of SockJS.
    pub(super) fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// The whole, as it is given to a client.
    pub(super) fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Of its own pages.
    pub(super) fn own_origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether pages are of another site than what they connect to, as far as two labels tell.
    pub(super) fn is_other_site(&self) -> bool {
        let origin = Url::parse(&self.origin).ok();
        let domain = |host: Option<Host<&str>>| match host {
            Some(Host::Domain(name)) => {
                let mut labels: Vec<_> = name.rsplit('.').take(2).collect();
                labels.reverse();
                labels.join(".")
            }
            Some(address) => address.to_string(),
            None => String::new(),
        };
        domain(self.url.host()) != domain(origin.as_ref().and_then(Url::host))
    }

    /// Whether browsers keep pages from connecting there because they came by TLS and this is without. Of the own machine,
    /// they take that.
    pub(super) fn is_mixed(&self) -> bool {
        let is_own = match self.url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        !self.is_tls() && self.origin.starts_with("https://") && !is_own
    }

    /// Looked up once.
    pub(super) async fn addresses(&self) -> Result<&[SocketAddr], Trouble> {
        if let Some(found) = self.addresses.get() {
            return Ok(found);
        }
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        let found = timeout(self.timeout, lookup_host((host, self.port()))).await;
        let found = found
            .map_err(|_| Trouble::Late(Step::Name))?
            .map_err(|error| Trouble::Name(error.to_string()))?;
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            return Err(Trouble::Name("an empty answer".to_owned()));
        }
        Ok(self.addresses.get_or_init(|| found))
    }

    pub(super) async fn tcp(&self) -> Result<TcpStream, Trouble> {
        let addresses = self.addresses().await?;
        let stream = timeout(self.timeout, TcpStream::connect(addresses)).await;
        let stream = stream.map_err(|_| Trouble::Late(Step::Connection))?.map_err(Trouble::Connect)?;
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// TLS that offers these protocols.
    pub(super) async fn tls(
        &self,
        tcp: TcpStream,
        protocols: &[&[u8]],
    ) -> Result<TlsStream<TcpStream>, Trouble> {
        let mut config = ClientConfig::clone(&self.tls);
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let host = self.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|error| Trouble::Name(error.to_string()))?;
        let shaken = timeout(self.timeout, TlsConnector::from(Arc::new(config)).connect(name, tcp)).await;
        shaken.map_err(|_| Trouble::Late(Step::Tls))?.map_err(Trouble::Tls)
    }

    /// A connection for HTTP/1.1.
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, Trouble> {
        let tcp = self.tcp().await?;
        if !self.is_tls() {
            return Ok(Box::new(tcp));
        }
        Ok(Box::new(self.tls(tcp, &[b"http/1.1"]).await?))
    }
}

fn parse(text: &str) -> Result<Url, String> {
    let advice = "give what pages connect to, as in https://push.example.org/sockjs";
    let url = Url::parse(text).map_err(|error| format!("{error}: {advice}"))?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_web
        || !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(advice.to_owned());
    }
    Ok(url)
}

/// As browsers write it.
fn origin_of(text: &str) -> Result<String, String> {
    let advice = "give scheme, name and port only, as in https://www.example.org";
    let url = Url::parse(text).map_err(|error| format!("{error}: {advice}"))?;
    if !url.has_host() || url.path() != "/" || url.query().is_some() {
        return Err(advice.to_owned());
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::super::tls;
    use super::*;

    fn site(url: &str, origin: &str) -> Result<Site, Failure> {
        Site::new(url, Some(origin), Duration::ZERO, tls::config(None, false)?)
    }

    #[test]
    fn pages_by_tls_connect_to_nothing_without() {
        let is_mixed = |url, origin| site(url, origin).is_ok_and(|site| site.is_mixed());
        assert!(is_mixed("http://push.example.org/sockjs", "https://www.example.org"));
        assert!(!is_mixed("https://push.example.org/sockjs", "https://www.example.org"));
        assert!(!is_mixed("http://push.example.org/sockjs", "http://www.example.org"));
        assert!(!is_mixed("http://127.0.0.1:8000/sockjs", "https://www.example.org"));
        assert!(!is_mixed("http://[::1]:8000/sockjs", "https://www.example.org"));
    }

    #[test]
    fn a_password_is_not_taken_and_not_shown() {
        for url in [
            "http://me:word@a.example/sockjs",
            "http://:word@a.example/sockjs",
            "http://me:word@a.example:x/",
        ] {
            let error = site(url, "https://www.example.org").err().map(|error| format!("{error:?}"));
            assert!(error.is_some_and(|error| !error.contains("word")), "{url}");
        }
    }
}
