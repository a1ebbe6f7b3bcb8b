//! CURVE and networks on the real binaries: who has the right reaches the browsers, nobody else does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod expiry;
mod rotation;
mod tokens;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use pushnote::{KeyFile, SecretKey};
use pushnote_tests::{Browser, Forwarder, Process, Server, Single};
use serde_json::json;
use tempfile::TempDir;

/// Within that a busy machine, too, hears why it is refused.
const HEARS: &str = "4s";

/// A key pair of `pushnote keygen`.
struct Key {
    secret_file: PathBuf,
    public: String,
}

impl Key {
    fn new(folder: &Path, name: &str) -> Self {
        let secret_file = folder.join(name);
        let made =
            Process::output("pushnote", &["keygen", "--secret-file", secret_file.to_str().unwrap()], &[]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let public = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        Key { secret_file, public }
    }

    fn file(&self) -> &str {
        self.secret_file.to_str().unwrap()
    }

    /// Flags with which a server connects to `to`.
    fn flags(&self, to: &Key) -> [String; 2] {
        [format!("--curve-server-key={}", to.public), format!("--curve-secret-key-file={}", self.file())]
    }

    /// Runs `pushnote publish` with this key.
    fn publish(&self, to: &Key, endpoint: &str, message: &str, timeout: &str) -> Output {
        let environment =
            [("PUSHNOTE_CURVE_SERVER_KEY", &*to.public), ("PUSHNOTE_CURVE_SECRET_KEY_FILE", self.file())];
        let timeout = format!("--timeout={timeout}");
        Process::output("pushnote", &["publish", &timeout, "-s", endpoint, message], &environment)
    }
}

/// Keys of all who take part, and the list of those who may.
struct Keys {
    folder: TempDir,
    forwarder: Key,
    server: Key,
    application: Key,
    stranger: Key,
}

impl Keys {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [forwarder, server, application, stranger] =
            ["forwarder", "server", "application", "stranger"].map(|name| Key::new(folder.path(), name));
        let keys = Keys { folder, forwarder, server, application, stranger };
        let list = format!(
            "# the set-up of the tests\npublish {}   # the application\nsubscribe {}\n",
            keys.application.public, keys.server.public
        );
        fs::write(keys.list(), list).unwrap();
        keys
    }

    fn list(&self) -> PathBuf {
        self.folder.path().join("clients")
    }

    /// Flags of an end that listens.
    fn listen(&self) -> [String; 2] {
        [
            format!("--curve-secret-key-file={}", self.forwarder.file()),
            format!("--curve-clients={}", self.list().display()),
        ]
    }
}

fn strs(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

/// Publishes until the browser has this message: a server subscribes in its own time.
async fn reaches(browser: &mut Browser, publish: impl Fn(&str)) {
    for number in 0.. {
        publish(&number.to_string());
        if browser.next_within(Duration::from_millis(200)).await.is_some() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_all_the_way_reaches_the_browser() {
    let keys = Keys::new();
    let forwarder = Forwarder::with(&strs(&keys.listen()));
    let connect = keys.server.flags(&keys.forwarder);
    let server = Server::with(&[&*format!("--mq_socket={}", forwarder.publ), &connect[0], &connect[1]]);
    let mut browser = Browser::open(&server.websocket_url()).await;

    let secret = SecretKey::from_file(&keys.application.secret_file).unwrap();
    let builder = pushnote::Publisher::builder().endpoint(&forwarder.sub).unwrap();
    let publisher = builder.curve(keys.forwarder.public.parse().unwrap(), secret).build().unwrap();
    reaches(&mut browser, |message| publisher.notify_all(message).unwrap()).await;

    publisher.notify_all("settled").unwrap();
    while browser.next().await != json!("settled") {}
    let published = keys.application.publish(&keys.forwarder, &forwarder.sub, r#""by hand""#, "20s");
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    assert_eq!(browser.next().await, json!("by hand"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_forwarder_listens_with_curve() {
    let keys = Keys::new();
    let single = Single::with(&strs(&keys.listen()));
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    reaches(&mut browser, |message| {
        let published = keys.application.publish(&keys.forwarder, &single.endpoint, message, "20s");
        assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    })
    .await;
}

#[test]
fn who_has_no_right_to_publish_is_told() {
    let keys = Keys::new();
    let ack = pushnote_tests::free_endpoint();
    let listen = [&keys.listen()[..], &[format!("--ack={ack}")]].concat();
    let forwarder = Forwarder::with(&strs(&listen));
    let refused = |output: &Output, words: &[&str]| {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
        assert!(!said.contains("is pushnote-mq"), "it is: {said}");
    };
    // Each is a client that CURVE itself would let in.
    let without_right = |key: &Key| {
        let published = key.publish(&keys.forwarder, &forwarder.sub, "1", HEARS);
        refused(&published, &[&forwarder.sub, "--curve-clients", "keygen --public"]);
    };
    let in_the_clear = |arguments: [&str; 2]| {
        let timeout = format!("--timeout={HEARS}");
        let published =
            Process::output("pushnote", &[&["publish", &timeout, "1"], &arguments[..]].concat(), &[]);
        refused(&published, &[arguments[1], "wants CURVE", "PUSHNOTE_CURVE_SERVER_KEY", "keygen"]);
    };
    let open = Forwarder::with(&[]);
    std::thread::scope(|all| {
        for key in [&keys.server, &keys.stranger] {
            all.spawn(move || without_right(key));
        }
        for arguments in [["-s", &*forwarder.sub], ["--ack", &*ack]] {
            all.spawn(move || in_the_clear(arguments));
        }
        all.spawn(|| {
            let published = keys.application.publish(&keys.forwarder, &open.sub, "1", HEARS);
            refused(&published, &[&open.sub, "not secured"]);
        });
    });
    let published = keys.application.publish(&keys.forwarder, &forwarder.sub, "1", "20s");
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
}

#[test]
fn peers_from_other_networks_are_closed() {
    let publish = |endpoint: &str, timeout: &str| {
        let arguments = ["publish", &format!("--timeout={timeout}"), "-s", endpoint, "1"];
        Process::output("pushnote", &arguments, &[]).status.code()
    };
    let elsewhere = Forwarder::with(&["--allow-network=10.0.0.0/8,192.0.2.1/32"]);
    assert_eq!(publish(&elsewhere.sub, "2s"), Some(69));
    let here = Forwarder::with(&["--allow-network=10.0.0.0/8", "--allow-network=127.0.0.0/8"]);
    assert_eq!(publish(&here.sub, "20s"), Some(0));
}

#[test]
fn a_secret_key_is_its_owners_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::new(folder.path(), "key");
    let kept = fs::read_to_string(&key.secret_file).unwrap();
    assert_eq!(fs::metadata(&key.secret_file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!((kept.trim().len(), key.public.len()), (40, 40));
    let again = Process::output("pushnote", &["keygen", "--secret-file", key.file()], &[]);
    assert_eq!(again.status.code(), Some(78));
    assert_eq!(fs::read_to_string(&key.secret_file).unwrap(), kept);
    let shown = Process::output("pushnote", &["keygen", "--public", key.file()], &[]);
    assert_eq!(String::from_utf8(shown.stdout).unwrap().trim(), key.public);
    assert_eq!(Process::output("pushnote", &["keygen", "--public", "/nowhere"], &[]).status.code(), Some(78));

    let printed = Process::output("pushnote", &["keygen"], &[]).stdout;
    let lines: Vec<_> = std::str::from_utf8(&printed).unwrap().lines().map(str::to_owned).collect();
    let [public, secret] = &lines[..] else { panic!("two lines, but {lines:?}") };
    let secret: pushnote::SecretKey = secret.strip_prefix("secret key: ").unwrap().parse().unwrap();
    assert_eq!(public.strip_prefix("public key: ").unwrap(), secret.public_key().to_string());
}
