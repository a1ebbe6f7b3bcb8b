//! Where connections come from.

use std::collections::BTreeSet;
use std::fs::{Permissions, remove_file, set_permissions, symlink_metadata};
use std::future::poll_fn;
use std::io;
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::log_once::LogOnce;
use crate::stream::Stream;

/// Connections that the kernel holds until they are accepted: what a crowd brings when it comes back at once.
const BACKLOG: i32 = 4096;
/// Out of file descriptors or memory: waiting lets connections end, trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens, and makes a [`Stream`] of each connection.
#[derive(Debug)]
pub struct Listener {
    /// One, or one for each address of a name, or those that this process was started with.
    sockets: Vec<Socket>,
    log: LogOnce,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    /// With its file, if that is this process's own.
    Unix(UnixListener, Option<SocketFile>),
}

/// A socket that listens already: whoever has started this process made it, and keeps it when the process ends.
#[derive(Debug)]
pub enum Inherited {
    /// On a TCP port.
    Tcp(net::TcpListener),
    /// On a Unix socket, whose file stays.
    Unix(unix::UnixListener),
}

/// Removed with its listener, so that the next one finds the path free.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = remove_file(&self.0);
    }
}

impl Listener {
    /// Listens on all of these, on one port: the first free one for 0. Addresses that this machine has not are left out:
    /// `localhost` is `::1`, too, where there is no IPv6.
    ///
    /// # Errors
    /// What the system says, of one of them or, if it has none of them, of the last. [`advice`] says what to do.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn tcp(addresses: impl IntoIterator<Item = IpAddr>, port: u16) -> io::Result<Self> {
        let listeners = listen_on_all(&addresses.into_iter().collect(), port)?;
        Ok(listeners.into_iter().map(Socket::Tcp).collect())
    }

    /// Listens on every address of this machine, of both families where it has both.
    ///
    /// # Errors
    /// What the system says; [`advice`] says what to do.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn everywhere(port: u16) -> io::Result<Self> {
        // A socket of IPv6 hears IPv4, too; a machine without IPv6 has no [::].
        Self::tcp([Ipv6Addr::UNSPECIFIED.into()], port).or_else(|error| {
            if is_missing(&error) { Self::tcp([Ipv4Addr::UNSPECIFIED.into()], port) } else { Err(error) }
        })
    }

    /// Listens at `path`. A socket that a killed process has left there, which nobody answers at, is removed; any other
    /// file stays.
    ///
    /// # Errors
    /// What the system says; [`advice`] says what to do.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn unix(path: &Path) -> io::Result<Self> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                // The kernel refuses a connection to a file of any other kind, too.
                if !symlink_metadata(path)?.file_type().is_socket() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                match UnixStream::connect(path).await {
                    Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => remove_file(path)?,
                    _ => return Err(error),
                }
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        Ok([Socket::Unix(listener, Some(SocketFile(path.to_owned())))].into_iter().collect())
    }

    /// Hears all of these.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn inherited(sockets: impl IntoIterator<Item = Inherited>) -> io::Result<Self> {
        let adopt = |socket| match socket {
            Inherited::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Socket::Tcp)
            }
            Inherited::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(|listener| Socket::Unix(listener, None))
            }
        };
        sockets.into_iter().map(adopt).collect()
    }

    /// Lets every user of this machine connect to a Unix socket that its folder lets in, as a proxy in front needs it.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_to_all_users(&self) -> io::Result<()> {
        self.sockets.iter().try_for_each(|socket| match socket {
            Socket::Unix(_, Some(file)) => set_permissions(&file.0, Permissions::from_mode(0o666)),
            Socket::Tcp(_) | Socket::Unix(_, None) => Ok(()),
        })
    }

    /// Where it listens over TCP, with the real port.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let tcp = self.sockets.iter().filter_map(|socket| match socket {
            Socket::Tcp(listener) => Some(listener.local_addr()),
            Socket::Unix(..) => None,
        });
        tcp.collect()
    }

    /// The files of its Unix sockets.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_paths(&self) -> io::Result<Vec<PathBuf>> {
        let unix = self.sockets.iter().filter_map(|socket| match socket {
            Socket::Tcp(_) => None,
            // One without a file has a name that only Linux knows.
            Socket::Unix(listener, _) => {
                listener.local_addr().map(|address| address.as_pathname().map(Path::to_owned)).transpose()
            }
        });
        unix.collect()
    }

    /// The next connection. What goes wrong on the way concerns one peer, which is none then, or all: that is logged,
    /// once a minute, and after a pause tried again. Cancel-safe.
    pub async fn accept(&self) -> Stream {
        loop {
            match self.try_accept().await {
                Ok(stream) => return stream,
                Err(error) if is_about_one_peer(&error) => debug!(%error, "a connection ended as it came"),
                Err(error) => {
                    if let Some(unlogged) = self.log.due("accept") {
                        warn!(
                            unlogged,
                            "no connection can be accepted; raise the limit of open files: {error}"
                        );
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn try_accept(&self) -> io::Result<Stream> {
        let accepted = poll_fn(|cx| {
            let ready = self.sockets.iter().map(|socket| socket.poll_accept(cx)).find(Poll::is_ready);
            ready.unwrap_or(Poll::Pending)
        });
        accepted.await
    }
}

impl Socket {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| stream.into()),
            Self::Unix(listener, _) => listener.poll_accept(cx).map_ok(|(stream, _)| stream.into()),
        }
    }
}

impl FromIterator<Socket> for Listener {
    fn from_iter<I: IntoIterator<Item = Socket>>(sockets: I) -> Self {
        Self { sockets: sockets.into_iter().collect(), log: LogOnce::new() }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        [Socket::Tcp(listener)].into_iter().collect()
    }
}

/// What to do about a listener that could not be made, for whoever reads the error; `port` is the one that it wanted, `None` of a
/// Unix socket.
#[must_use]
pub fn advice(error: &io::Error, port: Option<u16>) -> String {
    use io::ErrorKind::{
        AddrInUse, AddrNotAvailable, AlreadyExists, InvalidInput, NotADirectory, NotFound, PermissionDenied,
        ReadOnlyFilesystem,
    };
    let what = match (error.kind(), port) {
        (AddrInUse, Some(port)) => {
            return format!(
                "the address is in use: stop the process that listens there (as root, ss -ltnp 'sport = :{port}' names it), or choose \
                 another"
            );
        }
        (AddrInUse, None) => {
            "another process listens on that socket: stop it (as root, ss -lxp names it), or choose another path"
        }
        (AlreadyExists, _) => "a file is there that is no socket: choose another path, or remove it first",
        (AddrNotAvailable, _) => {
            "this machine has no such address (ip address shows its own): choose one of them, or all"
        }
        (PermissionDenied, Some(_)) => {
            "permission denied: a port below 1024 is for who may take it (CAP_NET_BIND_SERVICE, or a socket unit of systemd's); \
             choose one above 1023"
        }
        (PermissionDenied, None) => {
            "permission denied: this user may not make files in the folder that the socket lies in; let it, or choose another folder"
        }
        (ReadOnlyFilesystem, _) => "its folder is on a file system that is read-only: choose another folder",
        (InvalidInput, _) => "a socket's path has 107 bytes at most: choose a shorter one",
        (NotADirectory, _) => "what its path names as a folder is a file: correct the path",
        (NotFound, Some(_)) => "no such name: correct it, or give an address",
        (NotFound, None) => "no such folder: make it first, or correct the path",
        _ => return error.to_string(),
    };
    what.to_owned()
}

fn listen_on_all(addresses: &BTreeSet<IpAddr>, mut port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut missing = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for &address in addresses {
        match listen_on(SocketAddr::new(address, port)) {
            Ok(listener) => {
                let local = listener.local_addr()?;
                port = local.port();
                if addresses.len() > 1 {
                    info!(%local, "listening, one address of several");
                }
                listeners.push(listener);
            }
            Err(error) if is_missing(&error) => missing = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(missing) } else { Ok(listeners) }
}

pub(crate) fn is_missing(error: &io::Error) -> bool {
    /// Of a kernel without IPv6. The standard library has no kind for it.
    const EAFNOSUPPORT: i32 = 97;
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || cfg!(target_os = "linux") && error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(address)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A socket that does not listen yet.
pub(crate) fn bind(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// accept(2) tells what has happened to a connection before it was accepted as an error of its own.
fn is_about_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, InvalidInput, NetworkDown,
        NetworkUnreachable, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | InvalidInput
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
    )
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::stream::Peer;

    #[tokio::test]
    async fn every_address_of_a_name_is_heard() {
        let own = ["127.0.0.1", "127.0.0.2", "::1"];
        // One for documentation, which no machine has, is what ::1 is where there is no IPv6.
        let addresses = own.iter().chain(&["192.0.2.1"]).map(|address| address.parse().unwrap());
        let listener = Listener::tcp(addresses, 0).unwrap();
        for local in listener.local_addresses().unwrap() {
            let near = TcpStream::connect(local).await.unwrap();
            let far = listener.accept().await;
            assert_eq!(far.peer(), Some(Peer::Tcp(near.local_addr().unwrap())));
        }
        let none = Listener::tcp(["192.0.2.1".parse().unwrap()], 0);
        assert_eq!(none.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[tokio::test]
    async fn a_file_that_nobody_answers_at_is_replaced() {
        let path = std::env::temp_dir().join(format!("pushnote-net-{}.sock", std::process::id()));
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Listener::unix(&path).await.unwrap();
        assert_eq!(Listener::unix(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let _near = UnixStream::connect(&path).await.unwrap();
        assert_eq!(listener.accept().await.peer(), Some(Peer::Unix));
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_this_process_was_started_with_is_heard_and_left_behind() {
        let path = std::env::temp_dir().join(format!("pushnote-net-{}-inherited.sock", std::process::id()));
        let tcp = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let kept = tcp.try_clone().unwrap();
        let sockets = [Inherited::Tcp(tcp), Inherited::Unix(unix::UnixListener::bind(&path).unwrap())];
        let listener = Listener::inherited(sockets).unwrap();
        assert_eq!(listener.local_paths().unwrap(), std::slice::from_ref(&path));
        let address = listener.local_addresses().unwrap()[0];
        let near = TcpStream::connect(address).await.unwrap();
        assert_eq!(listener.accept().await.peer(), Some(Peer::Tcp(near.local_addr().unwrap())));
        let _near = UnixStream::connect(&path).await.unwrap();
        assert_eq!(listener.accept().await.peer(), Some(Peer::Unix));
        drop(listener);
        assert!(path.exists());
        // Who comes meanwhile waits for the next process.
        let _near = TcpStream::connect(kept.local_addr().unwrap()).await.unwrap();
        remove_file(&path).unwrap();
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_says_how_long_one_is() {
        let error = Listener::unix(Path::new(&"x".repeat(108))).await.unwrap_err();
        assert!(advice(&error, None).contains("107 bytes"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let path = std::env::temp_dir().join(format!("pushnote-net-{}.toml", std::process::id()));
        std::fs::write(&path, "a setting").unwrap();
        let error = Listener::unix(&path).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(advice(&error, None).contains("no socket"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a setting");
        remove_file(&path).unwrap();
    }
}
