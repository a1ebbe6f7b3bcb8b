use pushnote_store::Options;
use tempfile::TempDir;

use super::*;
use crate::key::Key;

struct Table {
    subscriptions: Subscriptions,
    keys: Keys,
    dir: TempDir,
}

async fn open(dir: TempDir, keys: Keys, options: SubscriptionOptions) -> Table {
    let (store, _) = Store::open(dir.path(), &Options::default()).unwrap();
    let subscriptions = Subscriptions::open(Arc::new(store), options, &keys).await.unwrap();
    Table { subscriptions, keys, dir }
}

async fn table(per_user_max: u32, per_address_max: u32) -> Table {
    let keys = Keys::new(Key::generate().unwrap(), Vec::new());
    open(tempfile::tempdir().unwrap(), keys, SubscriptionOptions { per_user_max, per_address_max }).await
}

/// A subscription of a browser, another one for each name.
fn device(name: &str) -> Subscription {
    let endpoint = Endpoint::parse(format!("https://push.example/{name}")).unwrap();
    Subscription::new(endpoint, *Key::generate().unwrap().public_bytes(), [7; 16]).unwrap()
}

#[tokio::test]
async fn a_user_has_many_devices() {
    let Table { subscriptions, keys, dir } = table(20, 100).await;
    let [phone, laptop] = ["phone", "laptop"].map(device);
    assert_eq!(subscriptions.add("ann", None, &phone, None).await.unwrap(), Added::New);
    assert_eq!(subscriptions.add("ann", Some("13"), &laptop, None).await.unwrap(), Added::New);
    assert_eq!(subscriptions.add("ann", Some("14"), &laptop, None).await.unwrap(), Added::Known);
    let devices = subscriptions.of("ann").await.unwrap();
    let of = |device: &Device| (device.id, device.group.clone(), device.origin.clone(), device.key);
    let (origin, key) = ("https://push.example".to_owned(), keys.current().id());
    assert_eq!(of(&devices[0]), (phone.endpoint().id(), None, origin.clone(), key));
    assert_eq!(of(&devices[1]), (laptop.endpoint().id(), Some("14".to_owned()), origin, key));
    assert_eq!(subscriptions.subscriptions_of("ann").await.unwrap(), [phone.clone(), laptop.clone()]);
    assert_eq!(subscriptions.count(), 2);

    assert!(!subscriptions.remove("bob", phone.endpoint()).await.unwrap(), "not his");
    assert!(subscriptions.remove("ann", phone.endpoint()).await.unwrap());
    assert!(!subscriptions.remove("ann", phone.endpoint()).await.unwrap());
    assert_eq!(subscriptions.count(), 1);

    subscriptions.store().close().await.unwrap();
    drop(subscriptions);
    let reopened = open(dir, keys, SubscriptionOptions::default()).await.subscriptions;
    assert_eq!(reopened.count(), 1);
    assert_eq!(reopened.subscriptions_of("ann").await.unwrap(), [laptop]);
    assert_eq!(reopened.remove_user("ann").await.unwrap(), 1);
    assert_eq!(reopened.count(), 0);
}

#[tokio::test]
async fn a_device_moves_to_who_uses_it() {
    let subscriptions = table(20, 100).await.subscriptions;
    let shared = device("shared");
    subscriptions.add("ann", Some("a"), &shared, None).await.unwrap();
    assert_eq!(subscriptions.add("bob", None, &shared, None).await.unwrap(), Added::Moved);
    assert!(subscriptions.of("ann").await.unwrap().is_empty());
    let found = subscriptions.find(shared.endpoint().id()).await.unwrap().unwrap();
    assert_eq!((found.user.as_str(), found.group), ("bob", None));
    assert_eq!(subscriptions.count(), 1);
    assert!(subscriptions.remove_device(shared.endpoint().id()).await.unwrap());
    assert_eq!(subscriptions.find(shared.endpoint().id()).await.unwrap(), None);
}

#[tokio::test]
async fn a_users_only_device_takes_the_place_of_others() {
    let subscriptions = table(20, 100).await.subscriptions;
    for name in ["one", "two"] {
        subscriptions.add("ann", None, &device(name), None).await.unwrap();
    }
    let only = device("only");
    assert_eq!(subscriptions.replace("ann", None, &only).await.unwrap(), Added::New);
    assert_eq!(subscriptions.replace("ann", Some("g"), &only).await.unwrap(), Added::Known);
    assert_eq!(subscriptions.subscriptions_of("ann").await.unwrap(), [only]);
    assert_eq!(subscriptions.count(), 1);
}

#[tokio::test]
async fn there_are_limits() {
    let subscriptions = table(2, 3).await.subscriptions;
    let [one, two, three] = ["one", "two", "three"].map(device);
    let add = |user: &'static str, device: &Subscription, address: &str| {
        let (subscriptions, device, address) =
            (subscriptions.clone(), device.clone(), address.parse().unwrap());
        async move { subscriptions.add(user, None, &device, Some(address)).await }
    };
    add("ann", &one, "192.0.2.1").await.unwrap();
    add("ann", &two, "::ffff:192.0.2.1").await.unwrap();
    assert!(matches!(add("ann", &three, "192.0.2.1").await, Err(AddError::UserFull { max: 2 })));
    assert!(add("ann", &two, "192.0.2.1").await.is_ok(), "what is there may come again");
    add("bob", &three, "192.0.2.1").await.unwrap();
    assert!(matches!(add("bob", &device("4"), "192.0.2.1").await, Err(AddError::AddressFull { max: 3 })));
    assert!(
        matches!(add("ann", &three, "192.0.2.2").await, Err(AddError::UserFull { .. })),
        "nor may it move there"
    );
    assert_eq!(subscriptions.count(), 3);

    for (number, end) in [(5, "1"), (6, "2"), (7, "ffff:0:0:1")] {
        let user = ["v", "w", "x"][number - 5];
        add(user, &device(&number.to_string()), &format!("2001:db8::{end}")).await.unwrap();
    }
    let full = add("y", &device("8"), "2001:db8::3").await;
    assert!(matches!(full, Err(AddError::AddressFull { .. })), "a /64 is one address");
    assert!(add("y", &device("8"), "2001:db8:0:1::3").await.is_ok(), "the next one is another");
}

#[tokio::test]
async fn names_are_checked() {
    let subscriptions = table(20, 100).await.subscriptions;
    let add = |user: &str, group: Option<&str>| {
        let (subscriptions, user, group) = (subscriptions.clone(), user.to_owned(), group.map(str::to_owned));
        async move { subscriptions.add(&user, group.as_deref(), &device("x"), None).await }
    };
    for user in ["", "a\nb", &"x".repeat(129)] {
        assert!(matches!(add(user, None).await, Err(AddError::User)), "{user:?}");
        assert!(matches!(add("ann", Some(user)).await, Err(AddError::Group)), "{user:?}");
    }
    assert!(add("0", Some("x' OR 1=1 --")).await.is_ok());
}

#[tokio::test]
async fn what_was_made_with_an_old_key_keeps_it() {
    let Table { subscriptions, keys, dir } = table(20, 100).await;
    let phone = device("phone");
    subscriptions.add("ann", None, &phone, None).await.unwrap();
    subscriptions.store().close().await.unwrap();
    drop(subscriptions);

    let rotated = Keys::new(Key::generate().unwrap(), vec![keys.current().clone()]);
    let subscriptions = open(dir, rotated.clone(), SubscriptionOptions::default()).await.subscriptions;
    subscriptions.add("ann", None, &phone, None).await.unwrap();
    subscriptions.add("ann", None, &device("laptop"), None).await.unwrap();
    let with = |devices: Vec<Device>| devices.into_iter().map(|device| device.key).collect::<Vec<_>>();
    assert_eq!(with(subscriptions.of("ann").await.unwrap()), [keys.current().id(), rotated.current().id()]);

    // A service has said that it was another key: the current one is tried when the page comes again.
    let wrong = "UPDATE push_subscriptions SET wrong_key = 1";
    subscriptions.store().transact(|transaction| transaction.execute(wrong, [])).await.unwrap();
    subscriptions.add("ann", None, &phone, None).await.unwrap();
    let devices = subscriptions.of("ann").await.unwrap();
    assert_eq!(devices[0].wrong_key, 0);
    assert_eq!(with(devices), [rotated.current().id(); 2]);
}

#[tokio::test]
async fn tables_of_a_later_version_are_left_alone() {
    let Table { subscriptions, keys, .. } = table(20, 100).await;
    let store = subscriptions.store().clone();
    store
        .transact(|transaction| transaction.execute("UPDATE push_version SET version = 2", []))
        .await
        .unwrap();
    let error = Subscriptions::open(store, SubscriptionOptions::default(), &keys).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { part: "subscriptions", version: 2, known: 1 }), "{error}");
}
