//! `pushnote webpush import`: subscriptions of solidwebpush, into the database of a server that is stopped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pushnote_cli::{Failure, say};
use pushnote_store::{OpenError, Options, Store};
use pushnote_webpush::{ImportError, Imported, Key, Keys, SubscriptionOptions, Subscriptions};

/// Where a server has its key, in its directory.
const KEY_FILE: &str = "vapid.pem";

/// A stored log is left as it is: how much of it is kept, its server's settings say.
const OPTIONS: Options = Options {
    fsync: pushnote_store::Fsync::Interval(Duration::from_secs(1)),
    bytes_max: u64::MAX,
    count_max: u64::MAX,
    age_max: Duration::MAX,
    queue_bytes_max: 16 << 20,
};
/// What an operator takes over is as much as there is.
const NO_BOUNDS: SubscriptionOptions =
    SubscriptionOptions { per_user_max: u32::MAX, per_address_max: u32::MAX };

#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// The subscriptors.db of solidwebpush; it is only read, and may be imported again
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The server's directory; the server must not run meanwhile
    #[arg(long, env = "PUSHNOTE_DATA_DIR", value_name = "PATH")]
    data_dir: PathBuf,

    /// The key that these browsers have subscribed to: the private_key.pem of solidwebpush. The server is given it, too, as
    /// --vapid-key-file or --vapid-old-key-file. Without it, vapid.pem in --data-dir
    #[arg(long, value_name = "PATH")]
    vapid_key_file: Option<PathBuf>,
}

pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
    // Before anything is made: a name that is misspelt leaves nothing behind.
    std::fs::File::open(&args.file)
        .map_err(|error| Failure::data(format!("cannot read {}: {error}", args.file.display())))?;
    let key = key(args)?;
    let (store, _) = Store::open(&args.data_dir, &OPTIONS).map_err(|error| not_opened(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::system(format!("cannot start: {error}")))?;
    let imported = runtime.block_on(import(Arc::new(store), &args.file, key))?;
    let Imported { new, known, moved, left_out } = imported;
    let all = new + known + moved;
    say(format_args!(
        "took over {all} subscriptions: {new} new, {known} known, {moved} of another user before"
    ));
    if left_out > 0 {
        say(format_args!("left out {left_out}: see above"));
    }
    Ok(())
}

async fn import(store: Arc<Store>, file: &Path, key: Key) -> Result<Imported, Failure> {
    let id = key.id();
    let keys = Keys::new(key, Vec::new());
    let subscriptions = Subscriptions::open(Arc::clone(&store), NO_BOUNDS, &keys)
        .await
        .map_err(|error| Failure::system(error.to_string()))?;
    let imported = subscriptions.import(file, id, |left_out| eprintln!("left out: {left_out}")).await;
    let imported = imported.map_err(|error| match error {
        ImportError::Read { .. } => Failure::data(error.to_string()),
        ImportError::Store(_) => Failure::system(error.to_string()),
    })?;
    store.close().await.map_err(|error| Failure::system(error.to_string()))?;
    Ok(imported)
}

fn key(args: &ImportArgs) -> Result<Key, Failure> {
    match &args.vapid_key_file {
        Some(file) => {
            Key::from_file(file).map_err(|error| Failure::config(format!("--vapid-key-file: {error}")))
        }
        None => Key::from_file(&args.data_dir.join(KEY_FILE)).map_err(|error| {
            Failure::config(format!("{error}; name the private_key.pem of solidwebpush: --vapid-key-file"))
        }),
    }
}

fn not_opened(error: &OpenError) -> Failure {
    match error {
        OpenError::InUse { file } => Failure::unavailable(format!(
            "{} is in use: stop the server that has it, import, and start it again",
            file.display()
        )),
        error => Failure::system(format!("--data-dir: {error}")),
    }
}
