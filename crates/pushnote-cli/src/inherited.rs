//! Sockets that a supervisor has opened, as systemd's socket units do: they stay open while the program restarts.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use listenfd::ListenFd;
use pushnote_net::{Inherited, Listener};
use rustix::net::sockopt::socket_acceptconn;

use crate::{Failure, Listening};

/// Their names, as in `http:api` (sd_listen_fds_with_names(3)).
const NAMES_VARIABLE: &str = "LISTEN_FDNAMES";

/// Sockets by their names, each until it is taken. By default there are none.
#[derive(Debug, Default)]
pub struct InheritedSockets {
    by_name: BTreeMap<String, Vec<Inherited>>,
}

impl InheritedSockets {
    /// Those that the environment tells of (`LISTEN_FDS`), if they are meant for this process (`LISTEN_PID`). Those without a
    /// name of their own (`FileDescriptorName=`) have that of the first listener, `unnamed`.
    ///
    /// Must be called before any thread is started.
    ///
    /// # Errors
    ///
    /// One of them is nothing that can be listened on.
    pub fn from_environment(unnamed: &str) -> Result<Self, Failure> {
        let mut sockets = ListenFd::from_env();
        let names = std::env::var(NAMES_VARIABLE).unwrap_or_default();
        let mut names = names.split(':');
        let mut by_name = BTreeMap::<String, Vec<Inherited>>::new();
        for index in 0..sockets.len() {
            let name = names.next().unwrap_or_default();
            // By default it is the unit's, as in pushnote-server.socket.
            let has_none = matches!(name, "" | "unknown") || name.ends_with(".socket");
            let name = if has_none { unnamed } else { name };
            let Some(socket) = listening(&mut sockets, index) else {
                return Err(Failure::config(format!(
                    "socket {number} of those that the supervisor gives ({name}) is none that listens for streams; a \
                     socket unit says ListenStream=, and not Accept=yes",
                    number = index + 1
                )));
            };
            by_name.entry(name.to_owned()).or_default().push(socket);
        }
        Ok(Self { by_name })
    }

    /// Where the sockets of this name listen that are not taken yet, if there are any.
    #[must_use]
    pub fn listening(&self, name: &str) -> Option<Vec<Listening>> {
        let sockets = self.by_name.get(name)?;
        Some(sockets.iter().filter_map(|socket| Listening::inherited(name, socket)).collect())
    }

    /// What listens on the sockets of this name, if there are any. Must be called within the runtime.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn take(&mut self, name: &str) -> Result<Option<Listener>, Failure> {
        let listener = self.by_name.remove(name).map(Listener::inherited).transpose();
        listener.map_err(|error| {
            Failure::system(format!("the supervisor's socket {name} cannot be listened on: {error}"))
        })
    }

    /// All were taken.
    ///
    /// # Errors
    ///
    /// Some were not; `taken` says which are.
    pub fn none_left(&self, taken: &str) -> Result<(), Failure> {
        match self.by_name.keys().next() {
            None => Ok(()),
            Some(name) => Err(Failure::config(format!(
                "the supervisor gives a socket named {name:?}, which nothing listens on; {taken}"
            ))),
        }
    }
}

fn listening(sockets: &mut ListenFd, index: usize) -> Option<Inherited> {
    if let Ok(Some(listener)) = sockets.take_tcp_listener(index) {
        return is_listening(&listener).then_some(Inherited::Tcp(listener));
    }
    let listener = sockets.take_unix_listener(index).ok().flatten()?;
    is_listening(&listener).then_some(Inherited::Unix(listener))
}

fn is_listening(socket: &impl AsFd) -> bool {
    socket_acceptconn(socket).unwrap_or(false)
}
