//! What is attacked: the real binaries, on every transport.

use std::path::Path;
use std::time::Duration;

use pushnote_tests::{Launch, Process, Single};
use tempfile::TempDir;

use crate::gauge::Gauge;
use crate::raw::Door;
use crate::witness::{Ear, Witness};

pub(crate) const ANY_V4: &str = "tcp://127.0.0.1:0";
pub(crate) const ANY_V6: &str = "tcp://[::1]:0";

/// `pushnote-mq` with its log in a file.
pub(crate) struct Relay {
    pub(crate) process: Process,
    pub(crate) sub: Vec<String>,
    pub(crate) publ: Vec<String>,
}

impl Relay {
    /// Starts it on free ports.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_on(&[ANY_V4], &[ANY_V4], arguments)
    }

    /// Starts it on these endpoints.
    pub(crate) fn start_on(sub: &[&str], publ: &[&str], arguments: &[&str]) -> Self {
        let launch = Launch::forwarder().arguments(endpoints(sub, publ));
        Self::launch(&launch.arguments(arguments.iter().copied()), sub.len(), publ.len())
    }

    /// Starts it with few open files allowed.
    pub(crate) fn start_with_files(files: u32) -> Self {
        let launch = Launch::forwarder().arguments(endpoints(&[ANY_V4], &[ANY_V4]));
        Self::launch(&launch.open_files_max(files), 1, 1)
    }

    fn launch(launch: &Launch, sub: usize, publ: usize) -> Self {
        let process = launch.start_logged();
        let sub = (0..sub).map(|_| process.line_after("sub listening on ")).collect();
        let publ = (0..publ).map(|_| process.line_after("pub listening on ")).collect();
        Self { process, sub, publ }
    }

    pub(crate) fn pub_door(&self) -> Door {
        Door::new(&self.publ[0], "SUB")
    }

    pub(crate) fn sub_door(&self) -> Door {
        Door::new(&self.sub[0], "PUB")
    }

    pub(crate) async fn witness(&self) -> Witness {
        Witness::start(&self.sub[0], Ear::subscriber(&self.publ[0])).await
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// The number behind `name=` in the line it logs last, once it has ended.
    pub(crate) fn total(&self, name: &str) -> u64 {
        let log = self.log();
        let line = log.lines().find(|line| line.contains(" stopped ")).expect("a last line");
        let (_, rest) = line.split_once(&format!("{name}=")).expect("a total");
        rest.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
    }
}

fn endpoints(sub: &[&str], publ: &[&str]) -> [String; 2] {
    [format!("--sub={}", sub.join(",")), format!("--pub={}", publ.join(","))]
}

pub(crate) fn ipc(folder: &Path, name: &str) -> String {
    format!("ipc://{}", folder.join(name).display())
}

/// A process under attack, its doors, and a witness inside.
pub(crate) struct Target {
    pub(crate) doors: Vec<Door>,
    pub(crate) gauge: Gauge,
    witness: Witness,
    running: Running,
}

enum Running {
    Relay(Relay, #[expect(dead_code, reason = "holds the socket files")] TempDir),
    Single(Single, #[expect(dead_code, reason = "holds the socket file")] TempDir),
}

impl Target {
    /// `pushnote-mq`: six doors, two on each transport.
    pub(crate) async fn relay() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (sub, publ) = (ipc(folder.path(), "sub"), ipc(folder.path(), "pub"));
        let relay = Relay::start_on(&[ANY_V4, ANY_V6, &sub], &[ANY_V4, ANY_V6, &publ], &[]);
        let publishers = relay.sub.iter().map(|endpoint| Door::new(endpoint, "PUB"));
        let subscribers = relay.publ.iter().map(|endpoint| Door::new(endpoint, "SUB"));
        let doors = publishers.chain(subscribers).collect();
        let witness = relay.witness().await;
        let gauge = Gauge::of(relay.process.id());
        Self { doors, gauge, witness, running: Running::Relay(relay, folder) }
    }

    /// `pushnote-server --single`: its door for applications.
    pub(crate) async fn single(endpoint: &str) -> Self {
        Self::of_single(endpoint, tempfile::tempdir().expect("a folder")).await
    }

    /// The same on a Unix socket.
    pub(crate) async fn single_on_a_file() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::of_single(&ipc(folder.path(), "single"), folder).await
    }

    async fn of_single(endpoint: &str, folder: TempDir) -> Self {
        let single = Single::start_on(endpoint);
        let ear = Ear::browser(&single.server.websocket_url()).await;
        let witness = Witness::start(&single.endpoint, ear).await;
        let gauge = Gauge::of(single.server.process.id());
        let doors = vec![Door::new(&single.endpoint, "PUB")];
        Self { doors, gauge, witness, running: Running::Single(single, folder) }
    }

    /// Each binary that listens, on each transport.
    pub(crate) async fn all() -> Vec<Self> {
        vec![
            Self::relay().await,
            Self::single(ANY_V4).await,
            Self::single(ANY_V6).await,
            Self::single_on_a_file().await,
        ]
    }

    /// How long newcomers need to get through the first doors.
    pub(crate) async fn newcomers_meet(&self) -> Duration {
        let (endpoint, ear) = match &self.running {
            Running::Relay(relay, _) => (&relay.sub[0], Ear::subscriber(&relay.publ[0])),
            Running::Single(single, _) => {
                (&single.endpoint, Ear::browser(&single.server.websocket_url()).await)
            }
        };
        crate::witness::newcomers_meet(endpoint, ear).await
    }

    /// Asserts that the witness noticed nothing, that no connection is left over, and that memory never grew by
    /// `bytes`.
    pub(crate) async fn survives(self, bytes: u64) {
        let longest = self.witness.noticed_nothing().await;
        self.gauge.files_are_back().await;
        eprintln!("grew by {} KiB, the slowest message took {longest:?}", self.gauge.growth() >> 10);
        self.gauge.grew_less_than(bytes);
    }
}
