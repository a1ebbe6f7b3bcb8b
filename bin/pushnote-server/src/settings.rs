//! From flags and environment to what the server is told; each failure names its flag.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pushnote_cli::{
    Failure, InheritedSockets, Reread, SECRET_BYTES_MAX, listen_for_monitors, read_secret, read_setting,
    secret_source,
};
use pushnote_config::{MessageForm, Server};
use pushnote_core::{ChannelRules, JwtKeys, Keys, Limits, Verifier};
use pushnote_http::{
    ApiKeys, ApiOptions, Locations, OpenError, OpenLogError, OpenedLog, Route, Settings, fixed_paths,
};
use pushnote_net::Listener;

use crate::listening::{self, API_SOCKET};
use crate::{mq, redis};

pub(crate) const LEGACY_SALT_VARIABLE: &str = "PUSHNOTE_LEGACY_SALT";

/// To an application the same variable is where it publishes.
const API_VARIABLE: &str = "PUSHNOTE_API";

/// A file that is longer, in bytes, has something else in it.
const JWT_KEYS_BYTES_MAX: u64 = 1 << 20;

/// The same of API keys: many thousands.
const API_KEYS_BYTES_MAX: u64 = 1 << 20;

/// Files that the server opens besides browsers' connections: the ZeroMQ side, timers, logs.
const OTHER_FILES: u64 = 64;

pub(crate) fn from_args(args: &Server, open_files_max: u64) -> Result<Settings, Failure> {
    let route = route(args)?;
    let connections_max = connections_max(args, open_files_max)?;
    let limits = args.limits(connections_max).map_err(|error| Failure::usage(error.to_string()))?;
    let channel_rules = channel_rules(args)?;
    let log = args.data_dir.as_deref().map(|directory| open_log(directory, args, &limits)).transpose()?;
    let redis = redis::options(args, &limits, log.as_ref())?;
    Ok(Settings {
        api: None,
        lightpush: None,
        publish_to: mq::publish_to(args, &limits)?,
        redis,
        locations: locations(args, &route)?,
        push: None,
        route,
        log,
        channel_rules,
        verifier: Arc::new(verifier(args, &limits)?.into()),
        limits,
        sockjs_url: args.sockjs_url.clone(),
        allowed_origins: args.allowed_origin.clone(),
        trusted_proxies: args.trusted_proxy.clone(),
        cookie_needed: args.cookie_needed,
        token_cookie: args.token_cookie.clone(),
        strings: args.message_form == MessageForm::String,
        fallback: args.fallback.clone(),
        pages: Vec::new(),
        actions: Vec::new(),
        coalescing_window: Duration::from_micros(args.coalescing_window),
        metrics: listen_for_monitors(&args.metrics)?,
        shards: std::thread::available_parallelism().map_or(1, Into::into),
    })
}

/// Paths of what is served.
fn fixed(args: &Server) -> impl Iterator<Item = &'static str> {
    fixed_paths(args.redis.redis.is_some(), args.push.vapid_subject.is_some())
}

/// The path of SockJS, which leaves what is served otherwise as it is.
pub(crate) fn route(args: &Server) -> Result<Route, Failure> {
    let route: Route = args.route.parse().map_err(|error| Failure::usage(format!("--route: {error}")))?;
    let folder = format!("{route}/");
    for path in fixed(args) {
        if path == route.as_str()
            || path.starts_with(&folder)
            || path.ends_with('/') && folder.starts_with(path)
        {
            return Err(Failure::usage(format!(
                "--route: {path} is something else that the server serves; choose another path, as in /sockjs"
            )));
        }
    }
    Ok(route)
}

pub(crate) fn channel_rules(args: &Server) -> Result<ChannelRules, Failure> {
    args.channel_rules().map_err(|error| Failure::usage(format!("--channels: {error}")))
}

/// Locations of the push relay protocol, which leave what is served otherwise as it is.
pub(crate) fn locations(args: &Server, route: &Route) -> Result<Locations, Failure> {
    let locations = args.locations().map_err(|error| Failure::usage(format!("--locations: {error}")))?;
    let fixed = fixed(args).map(|path| match path.ends_with('/') {
        true => format!("{path}x"),
        false => path.to_owned(),
    });
    for path in fixed.chain([route.to_string(), format!("{route}/info")]) {
        if locations.find(&path).is_some() {
            return Err(Failure::usage(format!(
                "--locations: the url of one takes {path}, too, which the server itself serves; write one that does not"
            )));
        }
    }
    Ok(locations)
}

/// What an earlier run has left.
fn open_log(directory: &Path, args: &Server, limits: &Limits) -> Result<OpenedLog, Failure> {
    OpenedLog::open(directory, args.fsync.unwrap_or_default(), limits).map_err(|error| {
        let text = format!("--data-dir: {error}");
        match error {
            OpenLogError::Store(OpenError::InUse { .. }) => Failure::unavailable(text),
            OpenLogError::Store(OpenError::Broken { .. } | OpenError::Newer { .. })
            | OpenLogError::Record { .. } => Failure::data(text),
            OpenLogError::Store(OpenError::Foreign { .. }) => Failure::config(text),
            OpenLogError::Store(_) => Failure::system(text),
        }
    })
}

/// Each connection is an open file. Running out of them would cut the server off from ZeroMQ, too: browsers'
/// connections are refused before it comes to that.
fn connections_max(args: &Server, open_files_max: u64) -> Result<usize, Failure> {
    let default = Limits::default().connections_max;
    let room = usize::try_from(open_files_max.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    match args.limits.connections_max {
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

/// The API's keys, and its address.
pub(crate) fn api_keys(args: &Server) -> Result<Option<(SocketAddr, ApiKeys)>, Failure> {
    let (address, path) = match (args.api, &args.api_keys) {
        (Some(address), Some(path)) => (address, path),
        (None, _) => return Ok(None),
        (Some(_), None) => {
            let applications = match std::env::var_os(API_VARIABLE) {
                Some(_) => {
                    "; if PUSHNOTE_API says where applications publish, leave it out of this server's environment"
                }
                None => "",
            };
            return Err(Failure::usage(format!(
                "--api is for those who have a key: give --api-keys, too; pushnote keygen --api makes one{applications}"
            )));
        }
    };
    Ok(Some((address, read_api_keys(path)?)))
}

/// The API's listener and keys. Must be called within the runtime.
pub(crate) fn api(args: &Server, sockets: &mut InheritedSockets) -> Result<Option<ApiOptions>, Failure> {
    let Some((address, keys)) = api_keys(args)? else { return Ok(None) };
    let listener = match sockets.take(API_SOCKET)? {
        Some(listener) => listener,
        None => Listener::tcp([address.ip()], address.port())
            .map_err(|error| listening::api(address).failure(&error))?,
    };
    Ok(Some(ApiOptions { listener: Some(listener), keys: Arc::new(keys.into()) }))
}

/// Reads the API's keys again, if there are any.
pub(crate) fn reread_api_keys(args: &Server, api: Option<&ApiOptions>) -> Option<Reread> {
    let (path, keys) = (args.api_keys.clone()?, Arc::clone(&api?.keys));
    Some(Box::new(move || {
        keys.replace(read_api_keys(&path)?);
        Ok(())
    }))
}

fn read_api_keys(path: &Path) -> Result<ApiKeys, Failure> {
    let text = read_setting("--api-keys", path, API_KEYS_BYTES_MAX)?;
    let keys = ApiKeys::parse(&text);
    keys.map_err(|error| Failure::config(format!("--api-keys: {}: {error}", path.display())))
}

/// Reads the files again that say which tokens are good, if there are any.
pub(crate) fn reread_secrets(args: &Arc<Server>, settings: &Settings) -> Option<Reread> {
    if args.secret_file.is_none() && args.legacy_salt_file.is_none() && args.jwt_keys.is_empty() {
        return None;
    }
    let (args, limits, current) = (Arc::clone(args), settings.limits.clone(), Arc::clone(&settings.verifier));
    Some(Box::new(move || {
        current.replace(verifier(&args, &limits)?);
        Ok(())
    }))
}

pub(crate) fn verifier(args: &Server, limits: &Limits) -> Result<Verifier, Failure> {
    let secrets = read_secret(args.secret_file.as_deref())?;
    let source = secret_source(args.secret_file.as_deref());
    let keys = Keys::parse(&secrets).map_err(|error| Failure::config(format!("{source}: {error}")))?;
    if secrets.lines().any(|line| mq::is_curve_key(args, line.trim())) {
        return Err(Failure::config(format!(
            "{source}: this is a CURVE key, which others know; make a secret of its own with: openssl rand -base64 32"
        )));
    }
    let mut verifier = Verifier::new(&keys)
        .with_age_max_s((args.token_max_age > 0).then_some(args.token_max_age))
        .with_token_bytes_max(limits.token_bytes_max)
        .with_jwt_keys(jwt_keys(&args.jwt_keys)?);
    if let Some(salt) = legacy_salt(args)? {
        tracing::warn!(
            "tokens of the original pushnote are accepted: anyone who knows its salt can forge them; \
             move the application to pushnote's own tokens, then drop the legacy salt"
        );
        verifier = verifier.with_legacy_salt(&salt);
    }
    Ok(verifier)
}

fn jwt_keys(files: &[PathBuf]) -> Result<JwtKeys, Failure> {
    files.iter().try_fold(JwtKeys::default(), |keys, file| {
        let text = read_setting("--jwt-keys", file, JWT_KEYS_BYTES_MAX)?;
        let read = JwtKeys::parse(&text);
        let read =
            read.map_err(|error| Failure::config(format!("--jwt-keys: {}: {error}", file.display())))?;
        Ok(keys.and(read))
    })
}

fn legacy_salt(args: &Server) -> Result<Option<String>, Failure> {
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
