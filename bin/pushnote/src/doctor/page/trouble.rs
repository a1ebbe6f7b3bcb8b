//! Why there is no answer, and what to do.

use std::fmt;
use std::io;

use rustls::CertificateError;

use crate::doctor::report::Fault;

/// What keeps an answer away.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The name has no address.
    Name(String),
    Connect(io::Error),
    /// The TLS handshake.
    Tls(io::Error),
    /// Nothing within the time of a step.
    Late(Step),
    /// What comes is no HTTP.
    NotHttp,
    /// The connection ended before the answer.
    HungUp,
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Name,
    Connection,
    Tls,
    Answer,
}

impl Trouble {
    /// Of a check of a host, by its whole authority; `tls`: it is to speak that.
    pub(super) fn fault(&self, check: &'static str, authority: &str, host: &str, tls: bool) -> Fault {
        let text = format!("{authority}: {self}{}", self.advice(host, tls));
        match self {
            Self::Name(_) | Self::NotHttp | Self::Tls(_) => Fault::setting(check, text),
            Self::Connect(_) | Self::Late(_) | Self::HungUp => Fault::unavailable(check, text),
        }
    }

    fn advice(&self, host: &str, tls: bool) -> String {
        match self {
            Self::Name(_) => ": correct the URL, or the DNS".to_owned(),
            Self::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                ": nothing listens there: is the proxy (or without one the server) started, and on this port?"
                    .to_owned()
            }
            Self::Connect(_) => ": see to the network, and to firewalls on the way".to_owned(),
            Self::Late(Step::Connection) => {
                ": is the machine on, and does no firewall stand between?".to_owned()
            }
            Self::Late(Step::Answer) => {
                ": what listens there hangs, or waits for a server that does".to_owned()
            }
            Self::Late(_) => String::new(),
            Self::Tls(error) => format!(": {}", tls_advice(error, host)),
            Self::NotHttp if tls => ": correct the port".to_owned(),
            Self::NotHttp => ": correct the port, or give https:// if it speaks TLS".to_owned(),
            Self::HungUp => {
                ": a proxy that does so has no server behind it, or refuses; its log says why".to_owned()
            }
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(why) => write!(f, "the name has no address ({why})"),
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Tls(error) => write!(f, "no TLS: {error}"),
            Self::Late(Step::Name) => f.write_str("the name has no address (no answer in time)"),
            Self::Late(Step::Connection) => f.write_str("no connection in time"),
            Self::Late(Step::Tls) => {
                f.write_str("no TLS: connected, and then silence: does it speak plain HTTP?")
            }
            Self::Late(Step::Answer) => f.write_str("connected, and no answer in time"),
            Self::NotHttp => f.write_str("what answers speaks no HTTP"),
            Self::HungUp => f.write_str("the connection was ended without an answer"),
        }
    }
}

/// What to do about a certificate that browsers would not take, either.
fn tls_advice(error: &io::Error, host: &str) -> String {
    let certificate = match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(error)) => error,
        Some(rustls::Error::InvalidMessage(_)) => {
            return "it does not speak TLS: give http://, or the port that has the certificate".to_owned();
        }
        _ => return "the proxy's log says more; --insecure takes any certificate".to_owned(),
    };
    match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired: renew it, and reload the proxy".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not good yet: look at the clocks".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "the certificate is for other names: get one for {host}, or is another site the proxy's first?"
            )
        }
        CertificateError::UnknownIssuer => {
            "nobody whom this machine trusts has issued the certificate: give the proxy the whole chain \
             (fullchain.pem), or name an authority of your own by --ca; browsers refuse it, too"
                .to_owned()
        }
        // What webpki calls it.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the certificate is an authority's own, as openssl req -x509 makes it: make it with -addext \
             basicConstraints=critical,CA:FALSE, and name it by --ca; --insecure looks at what is behind"
                .to_owned()
        }
        _ => "browsers refuse it, too; --insecure looks at what is behind".to_owned(),
    }
}
