//! The global functions read the environment once, so each case runs in a process of its own: this test program
//! again, with one of the ignored tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, exit};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fork::Fork;
use pushnote::{AckError, PublishError, Publisher};
use pushnote_core::{ChannelName, Keys, Verifier};
use pushnote_zmtp::curve::KeyPair;
use pushnote_zmtp::{Clients, KeyFile, Options, Right, Security, Subscriber};
use tokio::time::timeout;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `case` in a process with this environment. Returns what it printed; fails if the case fails.
fn run(case: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", case, "--ignored", "--nocapture"]);
    for variable in [
        "PUSHNOTE_ACK_SOCKET",
        "PUSHNOTE_CURVE_SECRET_KEY_FILE",
        "PUSHNOTE_CURVE_SERVER_KEY",
        "PUSHNOTE_MQ_SOCKET",
        "PUSHNOTE_SECRET",
        "PUSHNOTE_SECRET_FILE",
    ] {
        command.env_remove(variable);
    }
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
    stdout
}

/// The line that a case printed after `name: `.
fn printed(output: &str, name: &str) -> String {
    let marker = format!("{name}: ");
    let line = output.lines().find_map(|line| line.split_once(&marker));
    line.unwrap_or_else(|| panic!("no {name} in {output}")).1.to_owned()
}

#[test]
#[ignore = "a case"]
fn publishes() {
    pushnote::notify_all("Hi all!").unwrap();
    pushnote::notify("Hi", [42]).unwrap();
    pushnote::notify_channel("news", "Hi").unwrap();
    pushnote::publish("Hi").channel("news").everyone().send().unwrap();
    pushnote::flush(PATIENCE).unwrap();
}

#[test]
#[ignore = "a case"]
fn publishes_in_async_code() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let _flush = pushnote::flush_on_drop(PATIENCE);
        pushnote::notify_all("first").unwrap();
        pushnote::flush_async(PATIENCE).await.unwrap();
        let error = pushnote::notify_all_acked_async("Hi", PATIENCE).await.unwrap_err();
        assert!(matches!(error, AckError::NotConfigured), "{error}");
        pushnote::notify_all("last").unwrap();
    });
}

#[test]
#[ignore = "a case"]
fn cannot_publish() {
    println!("error: {}", pushnote::notify_all("Hi all!").unwrap_err());
    let error = pushnote::publish("Hi").everyone().send().unwrap_err();
    assert_eq!(error.to_string(), pushnote::notify_all("Hi all!").unwrap_err().to_string());
    assert_eq!(pushnote::flush(Duration::ZERO), Ok(()), "nothing was queued");
}

#[test]
#[ignore = "a case"]
fn makes_a_token() {
    tracing_subscriber::fmt().with_ansi(false).init();
    println!("token: {}", pushnote::tokenize(42).unwrap());
    println!("channel: {}", pushnote::tokenize_channel("news").unwrap());
}

#[test]
#[ignore = "a case"]
fn cannot_make_a_token() {
    println!("error: {}", pushnote::tokenize("42").unwrap_err());
}

#[test]
#[ignore = "a case"]
fn publishes_in_a_fork() {
    let endpoint = std::env::var("PUSHNOTE_MQ_SOCKET").unwrap();
    let made = || Publisher::builder().endpoint(&endpoint).unwrap().build().unwrap();
    let inherited = made();
    pushnote::notify_all("of the parent").unwrap();
    let child = match fork::fork().unwrap() {
        Fork::Parent(child) => child,
        Fork::Child => {
            std::thread::spawn(|| {
                std::thread::sleep(PATIENCE);
                exit(2); // something waits for a thread that is not here
            });
            let tried = catch_unwind(AssertUnwindSafe(|| in_the_child(inherited, &made())));
            exit(i32::from(tried.is_err()));
        }
    };
    assert_eq!(fork::waitpid(child).unwrap(), 0);
    pushnote::flush(PATIENCE).unwrap();
}

fn in_the_child(inherited: Publisher, own: &Publisher) {
    let said = |error: &dyn ToString| {
        assert!(error.to_string().contains("behind the fork"), "{}", error.to_string())
    };
    assert!(matches!(pushnote::notify_all(1), Err(PublishError::Forked)));
    said(&inherited.notify("Hi", [42]).unwrap_err());
    said(&pushnote::flush(PATIENCE).unwrap_err());
    said(&pushnote::notify_all_acked(1, PATIENCE).unwrap_err());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        said(&pushnote::flush_async(PATIENCE).await.unwrap_err());
        said(&pushnote::notify_all_acked_async(1, PATIENCE).await.unwrap_err());
    });
    drop(inherited);
    own.notify_all("of the child").unwrap();
    own.flush(PATIENCE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_process_is_told_that_the_publisher_is_the_parents() {
    let any_port = "tcp://127.0.0.1:0".parse().unwrap();
    let mut subscriber = Subscriber::bind(&any_port, Options::default()).await.unwrap();
    let endpoint = subscriber.local_endpoint().unwrap().to_string();
    let child = tokio::task::spawn_blocking(move || {
        let environment =
            [("PUSHNOTE_MQ_SOCKET", endpoint.as_str()), ("PUSHNOTE_ACK_SOCKET", "tcp://127.0.0.1:1")];
        run("publishes_in_a_fork", &environment)
    });
    let mut heard = BTreeSet::new();
    for _ in 0..2 {
        let message = timeout(PATIENCE, subscriber.recv()).await.unwrap().unwrap();
        let envelope: serde_json::Value = serde_json::from_slice(message.topic()).unwrap();
        heard.insert(envelope["data"].as_str().unwrap().to_owned());
    }
    assert!(heard.contains("of the parent") && heard.contains("of the child"), "{heard:?}");
    child.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_where_the_variable_says() {
    let any_port = "tcp://127.0.0.1:0".parse().unwrap();
    let mut subscriber = Subscriber::bind(&any_port, Options::default()).await.unwrap();
    let endpoint = subscriber.local_endpoint().unwrap().to_string();
    let child = tokio::task::spawn_blocking(move || run("publishes", &[("PUSHNOTE_MQ_SOCKET", &endpoint)]));
    for expected in [
        r#"{"name":"notify_all","data":"Hi all!","#,
        r#"{"name":"notify","data":"Hi","users":["42"],"#,
        r#"{"name":"publish","data":"Hi","channels":["news"],"#,
        r#"{"name":"publish","data":"Hi","channels":["news"],"everyone":true,"#,
    ] {
        let message = timeout(PATIENCE, subscriber.recv()).await.unwrap().unwrap();
        assert!(message.topic().starts_with(expected.as_bytes()), "{message:?}");
    }
    child.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_and_the_last_message_of_async_code_arrive() {
    let any_port = "tcp://127.0.0.1:0".parse().unwrap();
    let mut subscriber = Subscriber::bind(&any_port, Options::default()).await.unwrap();
    let endpoint = subscriber.local_endpoint().unwrap().to_string();
    let child = tokio::task::spawn_blocking(move || {
        run("publishes_in_async_code", &[("PUSHNOTE_MQ_SOCKET", &endpoint)])
    });
    for expected in [r#"{"name":"notify_all","data":"first","#, r#"{"name":"notify_all","data":"last","#] {
        let message = timeout(PATIENCE, subscriber.recv()).await.unwrap().unwrap();
        assert!(message.topic().starts_with(expected.as_bytes()), "{message:?}");
    }
    child.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_keys_messages_are_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let [server, client] = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    client.secret.to_new_file(&file).unwrap();
    let mut clients = Clients::default();
    clients.add(client.public, Right::Publish);
    let security = Security::curve_server(server.secret, Some(clients));
    let any_port = "tcp://127.0.0.1:0".parse().unwrap();
    let options = Options { security, ..Options::default() };
    let mut subscriber = Subscriber::bind(&any_port, options).await.unwrap();
    let endpoint = subscriber.local_endpoint().unwrap().to_string();
    let child = tokio::task::spawn_blocking(move || {
        let environment = [
            ("PUSHNOTE_MQ_SOCKET", endpoint.as_str()),
            ("PUSHNOTE_CURVE_SERVER_KEY", &server.public.to_string()),
            ("PUSHNOTE_CURVE_SECRET_KEY_FILE", file.to_str().unwrap()),
        ];
        run("publishes", &environment)
    });
    let message = timeout(PATIENCE, subscriber.recv()).await.unwrap().unwrap();
    assert!(message.topic().starts_with(br#"{"name":"notify_all","data":"Hi all!","#), "{message:?}");
    child.await.unwrap();
}

#[test]
fn half_of_curve_and_keys_that_are_none_are_named() {
    let key = KeyPair::generate().unwrap().public.to_string();
    let error = |environment: &[(&str, &str)]| {
        let environment = [&[("PUSHNOTE_MQ_SOCKET", "tcp://127.0.0.1:1")], environment].concat();
        printed(&run("cannot_publish", &environment), "error")
    };
    assert!(error(&[("PUSHNOTE_CURVE_SERVER_KEY", &key)]).contains("set both"));
    let file = ("PUSHNOTE_CURVE_SECRET_KEY_FILE", "/nowhere/key");
    let wrong = error(&[("PUSHNOTE_CURVE_SERVER_KEY", "key"), file]);
    assert!(wrong.starts_with("PUSHNOTE_CURVE_SERVER_KEY: a CURVE key has 40 characters"), "{wrong}");
    let missing = error(&[("PUSHNOTE_CURVE_SERVER_KEY", &key), file]);
    assert!(missing.starts_with("PUSHNOTE_CURVE_SECRET_KEY_FILE: cannot read /nowhere/key"), "{missing}");
}

#[test]
fn a_missing_or_wrong_endpoint_is_named() {
    let text = "PUSHNOTE_MQ_SOCKET is not set; set it to the endpoint that pushnote-mq --sub or \
                pushnote-server --single listens on, as in tcp://127.0.0.1:8002";
    assert_eq!(printed(&run("cannot_publish", &[]), "error"), text);
    assert_eq!(printed(&run("cannot_publish", &[("PUSHNOTE_MQ_SOCKET", "")]), "error"), text);
    let wrong = run("cannot_publish", &[("PUSHNOTE_MQ_SOCKET", "localhost")]);
    assert!(printed(&wrong, "error").contains("tcp://127.0.0.1:8002"), "{wrong}");
}

#[test]
fn tokens_are_those_of_the_servers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n{}\n", "old".repeat(20))).unwrap();
    let file = file.to_str().unwrap();
    let verifier = Verifier::new(&Keys::parse(SECRET).unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let other = "x".repeat(40);
    for (environment, is_warned_of) in [
        (&[("PUSHNOTE_SECRET", SECRET)][..], false),
        (&[("PUSHNOTE_SECRET_FILE", file)], false),
        (&[("PUSHNOTE_SECRET_FILE", file), ("PUSHNOTE_SECRET", SECRET)], false),
        (&[("PUSHNOTE_SECRET_FILE", file), ("PUSHNOTE_SECRET", &other)], true),
    ] {
        let made = run("makes_a_token", environment);
        let access = verifier.access(&printed(&made, "channel"), now).unwrap();
        assert!(access.user.is_none() && access.allows(&ChannelName::new("news").unwrap()));
        let token = printed(&made, "token");
        assert_eq!(verifier.verify(&token, now).unwrap().as_str(), "42");
        assert!(verifier.verify(&token, now + 2 * 86_400).is_err(), "it expires");
        let warning = "WARN pushnote::environment: PUSHNOTE_SECRET is set, and PUSHNOTE_SECRET_FILE names";
        assert_eq!(made.matches(warning).count(), usize::from(is_warned_of), "{made}");
    }
}

#[test]
fn a_missing_or_short_secret_is_named() {
    let error = |environment: &[(&str, &str)]| printed(&run("cannot_make_a_token", environment), "error");
    assert!(error(&[]).starts_with("no secret for tokens: set PUSHNOTE_SECRET"));
    assert!(error(&[("PUSHNOTE_SECRET", "short")]).starts_with("secret has 5 bytes, at least 32 are needed"));
    let missing = error(&[("PUSHNOTE_SECRET_FILE", "/nowhere/secret")]);
    assert!(missing.starts_with("PUSHNOTE_SECRET_FILE: cannot read /nowhere/secret: "), "{missing}");
}
