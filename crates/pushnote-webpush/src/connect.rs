//! Connections to push services: guarded where names become addresses, so that nothing can change in between.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::vec;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use crate::guard::{Forbidden, Guard, Reach};

/// From the question for an address to the end of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type BoxError = Box<dyn Error + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Looks names up, and leaves out addresses that no connection may lead to.
#[derive(Clone)]
pub(crate) struct GuardedResolver<L> {
    guard: Arc<Guard>,
    reach: Reach,
    lookup: L,
}

/// What finds the addresses of a name.
pub(crate) trait Lookup:
    Service<Name, Response: Iterator<Item = SocketAddr> + Send, Error: Into<BoxError>, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<L> Lookup for L where
    L: Service<
            Name,
            Response: Iterator<Item = SocketAddr> + Send,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

impl<L: Lookup> Service<Name> for GuardedResolver<L> {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.lookup.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (guard, reach, found) = (self.guard.clone(), self.reach, self.lookup.call(name));
        Box::pin(async move {
            let found: Vec<SocketAddr> = found.await.map_err(Into::into)?.collect();
            let (allowed, refused): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|address| guard.allows(reach, address.ip()));
            match refused.first() {
                Some(refused) if allowed.is_empty() => Err(Forbidden::Address(refused.ip()).into()),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}

/// Connects as far as the guard allows, by TCP or TLS as the URI says, within [`CONNECT_TIMEOUT`].
#[derive(Clone)]
pub(crate) struct GuardedConnector<L = GaiResolver> {
    guard: Arc<Guard>,
    public: HttpsConnector<HttpConnector<GuardedResolver<L>>>,
    allowed: HttpsConnector<HttpConnector<GuardedResolver<L>>>,
}

impl<L: Lookup> GuardedConnector<L> {
    pub(crate) fn new(guard: Arc<Guard>, lookup: &L, tls: &Arc<ClientConfig>) -> Self {
        let connector = |reach| {
            let resolver = GuardedResolver { guard: guard.clone(), reach, lookup: lookup.clone() };
            let mut tcp = HttpConnector::new_with_resolver(resolver);
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
            HttpsConnector::from((tcp, tls.clone()))
        };
        Self { public: connector(Reach::Public), allowed: connector(Reach::Allowed), guard }
    }
}

impl<L: Lookup> Service<Uri> for GuardedConnector<L> {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        ready!(self.public.poll_ready(cx))?;
        self.allowed.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = match self.guard.reach(&uri) {
            Ok(Reach::Public) => self.public.call(uri),
            Ok(Reach::Allowed) => self.allowed.call(uri),
            Err(forbidden) => return Box::pin(async move { Err(forbidden.into()) }),
        };
        Box::pin(async move {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no connection within 5 s");
            timeout(CONNECT_TIMEOUT, connecting).await.map_err(late)?
        })
    }
}

/// TLS that trusts what the system trusts (or the file that `SSL_CERT_FILE` names), else what browsers do, and `extra` beside it.
/// Asks for HTTP/2, and takes HTTP/1.1.
///
/// # Errors
///
/// One of `extra` is no certificate.
pub fn tls(extra: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for certificate in extra {
        roots.add(certificate.clone())?;
    }
    // Named, for a program may have no default, or two.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::net::TcpListener;

    use super::*;

    /// A name server that answers the same to all.
    #[derive(Clone)]
    struct Answers(Vec<IpAddr>);

    impl Service<Name> for Answers {
        type Response = vec::IntoIter<SocketAddr>;
        type Error = io::Error;
        type Future = std::future::Ready<Result<Self::Response, io::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            let addresses: Vec<_> = self.0.iter().map(|&address| SocketAddr::new(address, 0)).collect();
            std::future::ready(Ok(addresses.into_iter()))
        }
    }

    async fn connect(nets: &[&str], addresses: &[&str], url: &str) -> Result<(), Option<Forbidden>> {
        let allowed_nets = nets.iter().map(|net| net.parse().unwrap()).collect();
        let guard = Arc::new(Guard { allowed_nets, allowed_hosts: Vec::new() });
        let lookup = Answers(addresses.iter().map(|address| address.parse().unwrap()).collect());
        let mut connector = GuardedConnector::new(guard, &lookup, &tls(&[]).unwrap());
        let connected = connector.call(url.parse().unwrap()).await;
        connected.map(|_| ()).map_err(|error| Forbidden::within(&*error).cloned())
    }

    fn refused(address: &str) -> Result<(), Option<Forbidden>> {
        Err(Some(Forbidden::Address(address.parse().unwrap())))
    }

    #[tokio::test]
    async fn names_that_lead_inside_are_refused_where_they_are_looked_up() {
        for address in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"] {
            assert_eq!(
                connect(&[], &[address], "https://push.example/x").await,
                refused(address),
                "{address}"
            );
        }
        // With others beside it, it is left out; nobody listens at a documentation's address.
        assert_eq!(
            connect(&[], &["127.0.0.1", "10.0.0.1"], "https://push.example/x").await,
            refused("127.0.0.1")
        );
        // Other ports and plain HTTP lead into allowed networks alone.
        let nets = ["127.0.0.0/8"];
        for url in ["http://push.example/x", "https://push.example:8443/x", "https://localhost/x"] {
            assert_eq!(connect(&nets, &["8.8.8.8"], url).await, refused("8.8.8.8"), "{url}");
        }
    }

    #[tokio::test]
    async fn addresses_in_urls_are_refused_without_a_lookup() {
        assert_eq!(connect(&[], &[], "https://127.0.0.1/x").await, refused("127.0.0.1"));
        assert_eq!(connect(&[], &[], "https://[::1]/x").await, refused("::1"));
        assert_eq!(connect(&[], &[], "https://127.1/x").await, Err(Some(Forbidden::Unusual)));
        assert_eq!(connect(&[], &[], "http://push.example/x").await, Err(Some(Forbidden::Scheme)));
        assert_eq!(connect(&["10.0.0.0/8"], &[], "http://127.0.0.1/x").await, refused("127.0.0.1"));
    }

    #[tokio::test]
    async fn into_allowed_networks_it_connects() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let nets = ["127.0.0.0/8"];
        assert_eq!(connect(&nets, &[], &format!("http://127.0.0.1:{port}/x")).await, Ok(()));
        // Whoever answers with both gets the one that is allowed.
        let addresses = ["10.0.0.1", "127.0.0.1"];
        assert_eq!(connect(&nets, &addresses, &format!("http://push.example:{port}/x")).await, Ok(()));
    }

    #[tokio::test]
    async fn a_connection_takes_five_seconds_at_most() {
        // It listens, and never says a word of TLS.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://127.0.0.1:{}/x", listener.local_addr().unwrap().port());
        let begun = std::time::Instant::now();
        assert_eq!(connect(&["127.0.0.0/8"], &[], &url).await, Err(None));
        assert!((4..8).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }
}
