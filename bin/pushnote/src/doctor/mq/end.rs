//! One end of a forwarder, or of a server on its own.

use std::net::IpAddr;

use pushnote_zmtp::handshake::{HandshakeError, SocketType, Version};
use pushnote_zmtp::probe::{Probe, Ungreeted};
use pushnote_zmtp::{CloseCause, Endpoint, Security};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

use super::look::Look;
use super::remedy;
use crate::doctor::report::{Fault, Report};

pub(super) struct End<'a> {
    /// In the report.
    name: &'static str,
    /// Where the endpoint comes from.
    flag: &'static str,
    pub(super) endpoint: &'a Endpoint,
    /// `None`: it says itself which it is.
    expected: Option<SocketType>,
}

impl<'a> End<'a> {
    pub(super) fn new(
        name: &'static str,
        flag: &'static str,
        endpoint: &'a Endpoint,
        expected: SocketType,
    ) -> Self {
        End { name, flag, endpoint, expected: Some(expected) }
    }

    pub(super) fn either(name: &'static str, flag: &'static str, endpoint: &'a Endpoint) -> Self {
        End { name, flag, endpoint, expected: None }
    }

    /// Checks step by step, up to the first that fails.
    pub(super) async fn is_sound(&self, look: &Look, report: &mut Report) -> bool {
        let examined = self.examine(look, report).await;
        if let Err(fault) = &examined {
            report.fail(self.name, fault);
        }
        examined.is_ok()
    }

    async fn examine(&self, look: &Look, report: &mut Report) -> Result<(), Fault> {
        let exposed = self.resolve(look, report).await?;
        let started = Instant::now();
        let connection = self.connect(look).await?;
        report.ok(self.name, "connect", format_args!("{} in {:.1?}", self.endpoint, started.elapsed()));
        let mut probe = self.greet(connection, look).await?;
        let version = match probe.peer().version {
            Version::V1_0 => "1.0",
            Version::V2_0 => "2.0",
            Version::V3_0 => "3.0",
            Version::V3_1 => "3.1",
        };
        report.ok(self.name, "greeting", format_args!("ZMTP {version}"));
        self.report_security(exposed, look, report);
        self.report_kind(&probe, report)?;
        self.ping(&mut probe, look, report).await?;
        if is_pub(probe.peer().kind) {
            self.history(&mut probe, look, report).await?;
        }
        Ok(())
    }

    /// Whether the way there leaves this machine.
    async fn resolve(&self, look: &Look, report: &mut Report) -> Result<bool, Fault> {
        let Endpoint::Tcp { host: Some(host), port } = self.endpoint else { return Ok(false) };
        let fault = |what: &str| {
            Fault::setting(
                "name",
                format!("{host} has no address ({what}): correct {}, or the DNS", self.flag),
            )
        };
        let found = timeout(look.timeout, lookup_host((host.as_str(), *port))).await;
        let found =
            found.map_err(|_| fault("no answer in time"))?.map_err(|error| fault(&error.to_string()))?;
        let addresses: Vec<IpAddr> = found.map(|address| address.ip().to_canonical()).collect();
        let text: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
        report.ok(self.name, "name", text.join(", "));
        Ok(addresses.iter().any(|address| !address.is_loopback()))
    }

    async fn connect(&self, look: &Look) -> Result<Ungreeted, Fault> {
        match timeout(look.timeout, Ungreeted::open(self.endpoint)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => {
                let for_servers = self.expected == Some(SocketType::Pub);
                Err(remedy::connect(self.endpoint, self.flag, for_servers, &error))
            }
            Err(_) => Err(Fault::unavailable(
                "connect",
                format!(
                    "{} does not answer within {:?}: is the machine on, and does no firewall stand between?",
                    self.endpoint, look.timeout
                ),
            )),
        }
    }

    /// Greets as what goes with the end, and if it is another one, as what goes with that.
    async fn greet(&self, connection: Ungreeted, look: &Look) -> Result<Probe, Fault> {
        let ours = if self.expected == Some(SocketType::Pub) { SocketType::Sub } else { SocketType::Pub };
        let cause = match connection.greet(ours, look.options.clone()).await {
            Ok(probe) => return Ok(probe),
            Err(cause) if is_other_type(&cause) => cause,
            Err(cause) => return Err(remedy::handshake(&cause, ours, look, self.flag)),
        };
        let other = if ours == SocketType::Pub { SocketType::Sub } else { SocketType::Pub };
        match self.connect(look).await?.greet(other, look.options.clone()).await {
            Ok(probe) => Ok(probe),
            Err(_) => Err(remedy::handshake(&cause, ours, look, self.flag)),
        }
    }

    fn report_security(&self, exposed: bool, look: &Look, report: &mut Report) {
        match look.options.security {
            Security::Null if exposed => report.warn(
                self.name,
                "security",
                "none, and other machines are on the way, where anyone can read, forge and inject messages: use \
                 CURVE (--curve-secret-key-file of that end; 'pushnote keygen' makes a key)",
            ),
            Security::Null => report.ok(self.name, "security", "none, on this machine alone"),
            _ => report.ok(self.name, "security", "CURVE, with the key it should have"),
        }
    }

    fn report_kind(&self, probe: &Probe, report: &mut Report) -> Result<(), Fault> {
        let kind = probe.peer().kind;
        if self.expected.is_some_and(|expected| is_pub(expected) != is_pub(kind)) {
            let advice = match is_pub(kind) {
                true => {
                    "the ends are swapped: this is a PUB end, where servers subscribe; give it as --mq-pub"
                }
                false => {
                    "the ends are swapped: this is a SUB end, where applications publish; give it as --mq-sub. A \
                     pushnote-server --single has this end alone"
                }
            };
            return Err(Fault::setting("socket", advice));
        }
        let purpose = match is_pub(kind) {
            true => "servers subscribe here (pushnote-mq --pub)",
            false => "applications publish here (pushnote-mq --sub, or pushnote-server --single)",
        };
        report.ok(self.name, "socket", format_args!("{}: {purpose}", kind.name()));
        Ok(())
    }

    async fn ping(&self, probe: &mut Probe, look: &Look, report: &mut Report) -> Result<(), Fault> {
        match timeout(look.timeout, probe.ping()).await {
            Ok(Ok(Some(time))) => report.ok(self.name, "heartbeat", format_args!("answered in {time:.1?}")),
            Ok(Ok(None)) => report.ok(self.name, "heartbeat", "its ZMTP has none"),
            Ok(Err(cause)) => {
                return Err(remedy::closed("heartbeat", &cause));
            }
            Err(_) => return Err(remedy::silent("heartbeat", look)),
        }
        Ok(())
    }

    async fn history(&self, probe: &mut Probe, look: &Look, report: &mut Report) -> Result<(), Fault> {
        match timeout(look.timeout, probe.position()).await {
            Ok(Ok(Some(at))) => report.ok(
                self.name,
                "history",
                format_args!("kept: epoch {:016x}, next message {}", at.epoch, at.sequence),
            ),
            Ok(Ok(None)) => {
                report.ok(self.name, "history", "none kept: who is away misses what is published then");
            }
            Ok(Err(cause)) => {
                return Err(remedy::closed("history", &cause));
            }
            Err(_) => return Err(remedy::silent("history", look)),
        }
        Ok(())
    }
}

fn is_pub(kind: SocketType) -> bool {
    matches!(kind, SocketType::Pub | SocketType::Xpub)
}

/// The peer's socket does not go with ours: it says so, or we see it.
fn is_other_type(cause: &CloseCause) -> bool {
    match cause {
        CloseCause::Handshake(HandshakeError::SocketType(_)) => true,
        CloseCause::Handshake(HandshakeError::Refused(reason)) => reason.contains("socket type"),
        _ => false,
    }
}
