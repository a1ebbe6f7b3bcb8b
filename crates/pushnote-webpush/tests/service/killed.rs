//! A process that is killed while it sends.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use pushnote_store::{Options, Store};
use pushnote_webpush::{
    Client, Guard, Jobs, Key, Keys, Progress, Recipients, Sender, SenderOptions, SubscriptionOptions,
    Subscriptions, Vapid,
};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::place::{Place, message, subscription};
use crate::support::MockService;

const DIR: &str = "PUSHNOTE_WEBPUSH_TEST_DIR";
const SUBSCRIBERS: u32 = 10_000;
const IN_FLIGHT_MAX: usize = 32;
const KILLS: u32 = 3;

/// The child: sends what there is until it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(dir) = env::var_os(DIR).map(PathBuf::from) else { return };
    let key = Key::parse(&std::fs::read_to_string(dir.join("key")).unwrap()).unwrap();
    let keys = Keys::new(key, Vec::new());
    let store = Arc::new(Store::open(&dir, &Options::default()).unwrap().0);
    let subscriptions = Subscriptions::open(store, SubscriptionOptions::default(), &keys).await.unwrap();
    let jobs = Jobs::open(&subscriptions).await.unwrap();
    let guard = Guard { allowed_nets: vec!["127.0.0.0/8".parse().unwrap()], ..Guard::default() };
    let vapid = Vapid::new(keys, "mailto:ops@example.com".parse().unwrap());
    let client = Client::new(vapid, guard, &[]).unwrap();
    let options = SenderOptions { in_flight_max: IN_FLIGHT_MAX, ..SenderOptions::default() };
    let _sender = Sender::start(options, client, jobs);
    std::future::pending().await
}

fn start(dir: &Path) -> Child {
    let mut child = Command::new(env::current_exe().unwrap());
    child
        .args(["killed::child", "--exact"])
        .env(DIR, dir)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_messages_none_is_lost_and_none_sent_twice_but_what_was_under_way() {
    let service = MockService::plain().await;
    let place = Place::new().await;
    let mut adding = JoinSet::new();
    for number in 0..SUBSCRIBERS {
        let subscription = subscription(&service.endpoint(&format!("/ok/{number}")));
        let subscriptions = place.subscriptions.clone();
        adding.spawn(async move {
            subscriptions.add(&number.to_string(), None, &subscription, None).await.unwrap();
        });
    }
    adding.join_all().await;
    place.jobs.enqueue("m", &Recipients::Everyone.into(), &message(), None).await.unwrap();
    let (dir, keys) = place.closed().await;
    std::fs::write(dir.path().join("key"), &*keys.current().private_base64url()).unwrap();

    for kill in 1..=KILLS {
        let mut child = start(dir.path());
        while service.requests() < SUBSCRIBERS / (KILLS + 1) * kill {
            assert_eq!(child.try_wait().unwrap(), None);
            sleep(Duration::from_millis(1)).await;
        }
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let place = Place::open(dir, keys).await;
    assert!(place.jobs.waiting() > 0);
    let sender = place.sender(&service, IN_FLIGHT_MAX);
    while place.jobs.waiting() > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    sender.stop().await;
    let all = Progress { accepted: SUBSCRIBERS.into(), ..Progress::default() };
    assert_eq!(place.jobs.progress("m").await.unwrap(), Some(all));
    assert_eq!(service.asked().len(), SUBSCRIBERS as usize, "none is lost");
    let twice = (service.requests() - SUBSCRIBERS) as usize;
    assert!(twice <= KILLS as usize * IN_FLIGHT_MAX, "{twice} came twice");
}
