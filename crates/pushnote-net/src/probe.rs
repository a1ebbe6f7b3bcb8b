//! Whether something could listen at a place, or write to it, without doing so: nobody notices, a running server neither.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::listener::{bind, is_missing};

/// Whether a [`Listener`](crate::Listener) of a port would listen now; with no address, on all of this machine's.
///
/// # Errors
/// Why not. [`advice`](crate::advice) says what to do.
pub fn probe_tcp(address: Option<IpAddr>, port: u16) -> io::Result<()> {
    let bound = |address: IpAddr| bind(SocketAddr::new(address, port)).map(drop);
    let Some(address) = address else {
        return match bound(Ipv6Addr::UNSPECIFIED.into()) {
            Err(error) if is_missing(&error) => bound(Ipv4Addr::UNSPECIFIED.into()),
            other => other,
        };
    };
    bound(address)
}

/// The same of a Unix socket. One that is there is in use, though it may be what a killed process has left.
///
/// # Errors
/// Why not. [`advice`](crate::advice) says what to do.
pub fn probe_unix(path: &Path) -> io::Result<()> {
    net::SocketAddr::from_pathname(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    probe_folder(folder.unwrap_or(Path::new(".")))?;
    match path.symlink_metadata() {
        Ok(file) if file.file_type().is_socket() => Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether this user could make a file in a folder.
///
/// # Errors
/// Why not.
pub fn probe_folder(folder: &Path) -> io::Result<()> {
    if !folder.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_or_in_use_and_an_address_another_machine_s() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let probed = |address: Option<&str>| {
            probe_tcp(address.map(|address| address.parse().unwrap()), port).map_err(|error| error.kind())
        };
        assert_eq!(probed(Some("127.0.0.1")), Err(io::ErrorKind::AddrInUse));
        assert_eq!(probed(None), Err(io::ErrorKind::AddrInUse));
        assert_eq!(probed(Some("127.0.0.2")), Ok(()));
        assert_eq!(probed(Some("192.0.2.1")), Err(io::ErrorKind::AddrNotAvailable));
        assert!(probe_tcp(None, 0).is_ok() && listener.local_addr().is_ok());
    }

    #[test]
    fn a_socket_s_path_is_free_or_not() {
        let folder = std::env::temp_dir().join(format!("pushnote-net-{}-probe", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let probed = |name: &str| probe_unix(&folder.join(name)).map_err(|error| error.kind());
        assert_eq!(probed("socket"), Ok(()));
        let socket = net::UnixListener::bind(folder.join("socket")).unwrap();
        std::fs::write(folder.join("file"), "").unwrap();
        assert_eq!(probed("socket"), Err(io::ErrorKind::AddrInUse));
        assert_eq!(probed("file"), Err(io::ErrorKind::AlreadyExists));
        assert_eq!(probed("file/socket"), Err(io::ErrorKind::NotADirectory));
        assert_eq!(probed("nowhere/socket"), Err(io::ErrorKind::NotFound));
        assert_eq!(probed(&"x".repeat(108)), Err(io::ErrorKind::InvalidInput));
        drop(socket);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
