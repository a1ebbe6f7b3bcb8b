//! From flags and environment to what the server is told; each failure names its flag.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pushnote_core::{Keys, Limits, Verifier};
use pushnote_http::{Route, Settings};
use pushnote_shell::{Failure, Reread, SECRET_BYTES_MAX, read_secret, read_setting, secret_source};
use tokio::net::{TcpListener, TcpSocket};

use crate::args::{Args, MessageForm};

const LEGACY_SALT_VARIABLE: &str = "PUSHNOTE_LEGACY_SALT";

/// Files that the server opens besides browsers' connections: the ZeroMQ side, timers, logs.
const OTHER_FILES: u64 = 64;

pub(crate) fn from_args(args: &Args, open_files_max: u64) -> Result<Settings, Failure> {
    let route: Route = args.route.parse().map_err(|error| Failure::usage(format!("--route: {error}")))?;
    let mut limits = Limits::default();
    limits.connections_max = connections_max(args, limits.connections_max, open_files_max)?;
    limits.zmq_peers_max = args.listen.peers_max;
    set(&mut limits.outbox_bytes_max, args.outbox_bytes_max);
    set(&mut limits.connections_per_user_max, args.connections_per_user_max);
    set(&mut limits.address_sessions_per_second_max, args.sessions_per_second_max);
    set(&mut limits.address_misses_per_second_max, args.sessions_per_second_max);
    set(&mut limits.message_bytes_max, args.message_bytes_max);
    // What has no flag of its own must hold what one has asked for.
    limits.session_queue_bytes_max = limits.session_queue_bytes_max.max(limits.message_bytes_max);
    set(&mut limits.drain_deadline_s, args.drain_deadline);
    set(&mut limits.heartbeat_delay_s, args.heartbeat_delay);
    // Behind a proxy every browser has the proxy's address: no limit unless one is asked for.
    limits.connections_per_ip_max = args.connections_per_ip_max.unwrap_or(usize::MAX);
    limits.validate().map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Settings {
        route,
        verifier: Arc::new(verifier(args, &limits)?.into()),
        limits,
        sockjs_url: args.sockjs_url.clone(),
        allowed_origins: args.allowed_origin.clone(),
        trusted_proxies: args.trusted_proxy.clone(),
        cookie_needed: args.cookie_needed,
        strings: args.message_form == MessageForm::String,
        pages: Vec::new(),
        actions: Vec::new(),
        coalescing_window: Duration::from_micros(args.coalescing_window),
        metrics: args.metrics.bind()?,
        shards: std::thread::available_parallelism().map_or(1, Into::into),
    })
}

/// Each connection is an open file. Running out of them would cut the server off from ZeroMQ, too: browsers'
/// connections are refused before it comes to that.
fn connections_max(args: &Args, default: usize, open_files_max: u64) -> Result<usize, Failure> {
    let room = usize::try_from(open_files_max.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    match args.connections_max {
        Some(asked) if asked > room => Err(Failure::config(format!(
            "--connections-max: {asked} connections need more than the {open_files_max} open files that the system \
             allows; raise that (ulimit -n, or LimitNOFILE of systemd)"
        ))),
        Some(asked) => Ok(asked),
        // Publishers have places of their own, which browsers cannot take.
        None if args.single => Ok(default.min(room - args.listen.peers_max.min(room / 2))),
        None => Ok(default.min(room)),
    }
}

fn set<T>(limit: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *limit = given;
    }
}

/// Waiting connections that the kernel holds: what a crowd of browsers brings when it comes back at once.
const BACKLOG: u32 = 4096;

/// Must be called within the runtime.
pub(crate) fn listen(args: &Args) -> Result<TcpListener, Failure> {
    let address = address(args)?;
    let bound = match bind(address) {
        // A machine without IPv6 has no [::].
        Err(error) if matches!(&*args.address, "" | "*") && is_about_ipv6(&error) => {
            bind((Ipv4Addr::UNSPECIFIED, args.port).into())
        }
        bound => bound,
    };
    bound.map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => "; stop the process that listens there, or choose another port",
            ErrorKind::PermissionDenied => "; choose a port above 1023",
            _ => "",
        };
        Failure::unavailable(format!("--port {}: cannot listen on {address}: {error}{advice}", args.port))
    })
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Also a kernel that was built or started without it, whose error has no kind.
fn is_about_ipv6(error: &std::io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported)
        || cfg!(target_os = "linux") && error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn address(args: &Args) -> Result<SocketAddr, Failure> {
    if args.address.is_empty() {
        return Ok((Ipv6Addr::UNSPECIFIED, args.port).into());
    }
    let ip: IpAddr = match args.address.as_str() {
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        "*" => Ipv6Addr::UNSPECIFIED.into(),
        text => text.trim_matches(['[', ']']).parse().map_err(|_| {
            Failure::usage(format!(
                "--address: {text:?} is no IP address; give one of this machine's, or '' for all"
            ))
        })?,
    };
    Ok((ip, args.port).into())
}

/// Reads the files again that say which tokens are good, if there are any.
pub(crate) fn reread_secrets(args: &Arc<Args>, settings: &Settings) -> Option<Reread> {
    if args.secret_file.is_none() && args.legacy_salt_file.is_none() {
        return None;
    }
    let (args, limits, current) = (Arc::clone(args), settings.limits.clone(), Arc::clone(&settings.verifier));
    Some(Box::new(move || {
        current.replace(verifier(&args, &limits)?);
        Ok(())
    }))
}

fn verifier(args: &Args, limits: &Limits) -> Result<Verifier, Failure> {
    let secrets = read_secret(args.secret_file.as_deref())?;
    let source = secret_source(args.secret_file.as_deref());
    let keys = Keys::parse(&secrets).map_err(|error| Failure::config(format!("{source}: {error}")))?;
    let mut verifier = Verifier::new(&keys)
        .with_age_max_s((args.token_max_age > 0).then_some(args.token_max_age))
        .with_token_bytes_max(limits.token_bytes_max);
    if let Some(salt) = legacy_salt(args)? {
        tracing::warn!(
            "tokens of the original pushnote are accepted: anyone who knows its salt can forge them; \
             move the application to pushnote's own tokens, then drop the legacy salt"
        );
        verifier = verifier.with_legacy_salt(&salt);
    }
    Ok(verifier)
}

fn legacy_salt(args: &Args) -> Result<Option<String>, Failure> {
    let (source, salt) = match &args.legacy_salt_file {
        Some(path) => (
            "--legacy-salt-file",
            read_setting("--legacy-salt-file", path, SECRET_BYTES_MAX)?.trim().to_owned(),
        ),
        None => match std::env::var(LEGACY_SALT_VARIABLE) {
            Ok(salt) => (LEGACY_SALT_VARIABLE, salt),
            Err(_) => return Ok(None),
        },
    };
    if salt.is_empty() {
        return Err(Failure::config(format!(
            "{source} is empty: give the original's PUSHNOTE_SALT, or leave it unset to refuse its tokens"
        )));
    }
    Ok(Some(salt))
}
