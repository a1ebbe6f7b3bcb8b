use std::sync::Arc;

use pushnote_store::rusqlite::params;
use pushnote_store::{Options, Store};
use tempfile::TempDir;

use super::*;
use crate::endpoint::Endpoint;
use crate::key::{Key, Keys};
use crate::new_device::SubscriptionOptions;

/// As solidwebpush 1.2.3 makes its table, letter by letter.
const SCHEMA: &str = "CREATE TABLE subscriptors (
                    session_id VARCHAR(256) NOT NULL PRIMARY KEY,
                    subscription VARCHAR(512) NOT NULL,
                    group_id INT NOT NULL
                )";

struct Import {
    subscriptions: Subscriptions,
    file: PathBuf,
    theirs: Key,
    dir: TempDir,
}

impl Import {
    async fn new(rows: &Connection) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("subscriptors.db");
        rows.execute("VACUUM INTO ?1", [file.to_str()]).unwrap();
        let (store, _) = Store::open(&dir.path().join("data"), &Options::default()).unwrap();
        let theirs = Key::generate().unwrap();
        let keys = Keys::new(Key::generate().unwrap(), vec![theirs.clone()]);
        let subscriptions =
            Subscriptions::open(Arc::new(store), SubscriptionOptions::default(), &keys).await.unwrap();
        Self { subscriptions, file, theirs, dir }
    }

    async fn run(&self) -> (Imported, Vec<String>) {
        let mut left_out = Vec::new();
        let tell = |left: &LeftOut| left_out.push(format!("{}: {left}", left.session));
        let imported = self.subscriptions.import(&self.file, self.theirs.id(), tell).await.unwrap();
        (imported, left_out)
    }
}

fn database() -> Connection {
    let database = Connection::open_in_memory().unwrap();
    database.execute_batch(SCHEMA).unwrap();
    database
}

fn json(name: &str) -> String {
    let endpoint = Endpoint::parse(format!("https://fcm.googleapis.com/fcm/send/{name}")).unwrap();
    Subscription::new(endpoint, *Key::generate().unwrap().public_bytes(), [7; 16]).unwrap().to_json()
}

#[tokio::test]
async fn what_solidwebpush_has_stored_is_taken_over() {
    let rows = database();
    let mut insert = rows.prepare("INSERT INTO subscriptors VALUES (?1, ?2, ?3)").unwrap();
    // The subscription in its README.
    let readme = r#"{"endpoint":"https://fcm.googleapis.com/fcm/send/cOZ80twUe2I:APA91bFWFWTIJzD3B7YHCBKzpSD_KfFe5a_XOo0gZDhGX1JYBwtY6UtNVyCXVt0Z2Fd4iOb9SLSOo1WGBclMaWoDFYMcmh7EhlXd-OJXpWK-gAph0cO1OQPrIqCQ_W0C-XJ0fUsqpXU_","keys":{"p256dh":"BMb7ie9TlYqIUcA52gQBXqKFleWoqHnXPOkvlgKGd2Mw4nnEMhII7VwB41xp0T70VrZb0w4LoP4Cn7ccD0zEtmA=","auth":"EKID_2FLZ4uJg6zSHB4psA=="}}"#;
    let twice = json("twice");
    insert.execute(params!["3f2a", json("one"), 0]).unwrap();
    insert.execute(params!["README", readme, 0]).unwrap();
    // Python's ints and bytes.
    insert.execute(params![42, json("two").into_bytes(), "13"]).unwrap();
    insert.execute(params!["broken", "None", 0]).unwrap();
    insert.execute(params!["x".repeat(129), json("long"), 0]).unwrap();
    insert.execute(params!["before", twice, 1]).unwrap();
    // The same, but not the same text, which it went by.
    insert.execute(params!["after", twice.replace("\":", "\": "), 2]).unwrap();

    let import = Import::new(&rows).await;
    let (imported, left_out) = import.run().await;
    assert_eq!(imported, Imported { new: 3, known: 0, moved: 1, left_out: 3 });
    assert_eq!(
        left_out,
        [
            "README: row 2: keys.p256dh is not a point on the curve P-256: no browser made this key"
                .to_owned(),
            "broken: row 4: the subscription is not the JSON of a PushSubscription, \
             {\"endpoint\":…,\"keys\":{\"p256dh\":…,\"auth\":…}} (line 1, column 1)"
                .to_owned(),
            format!(
                "{}: row 5: a user's id has 1 to 128 bytes, none of them control characters",
                "x".repeat(129)
            ),
        ]
    );
    assert_eq!(import.subscriptions.count(), 3);
    for (user, group) in [("3f2a", "0"), ("42", "13"), ("after", "2")] {
        let [device] = &import.subscriptions.of(user).await.unwrap()[..] else {
            panic!("{user} has one device")
        };
        assert_eq!((device.group.as_deref(), device.key), (Some(group), import.theirs.id()));
    }
    let (again, _) = import.run().await;
    assert_eq!(again, Imported { new: 0, known: 2, moved: 2, left_out: 3 }, "a file may be imported again");
    assert_eq!(import.subscriptions.count(), 3);
}

#[tokio::test]
async fn many_rows_come_in_pieces() {
    let rows = database();
    rows.execute_batch("BEGIN").unwrap();
    let key = json("KEY");
    for number in 0..2500 {
        let row = params![format!("session {number}"), key.replace("KEY", &number.to_string()), number % 7];
        rows.execute("INSERT INTO subscriptors VALUES (?1, ?2, ?3)", row).unwrap();
    }
    rows.execute_batch("COMMIT").unwrap();
    let import = Import::new(&rows).await;
    let (imported, _) = import.run().await;
    assert_eq!(imported, Imported { new: 2500, ..Imported::default() });
    assert_eq!(import.subscriptions.count(), 2500);
}

#[tokio::test]
async fn another_file_is_refused_and_none_is_made() {
    let import = Import::new(&Connection::open_in_memory().unwrap()).await;
    let key = import.theirs.id();
    let error = import.subscriptions.import(&import.file, key, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("no such table: subscriptors"), "{error}");
    let missing = import.dir.path().join("missing.db");
    let error = import.subscriptions.import(&missing, key, |_| {}).await.unwrap_err();
    assert!(matches!(error, ImportError::Read { .. }), "{error}");
    assert!(!missing.exists());
    std::fs::write(&missing, "a text").unwrap();
    assert!(import.subscriptions.import(&missing, key, |_| {}).await.is_err());
}
