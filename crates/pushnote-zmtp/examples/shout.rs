//! Sends each line of its input: `cargo run --example shout -- bind|connect ENDPOINT`.

use pushnote_zmtp::{Options, Publisher};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (way, endpoint) =
        (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default().parse()?);
    let publisher = match way.as_str() {
        "bind" => Publisher::bind(&endpoint, Options::default()).await?,
        _ => Publisher::connect(endpoint, Options::default()),
    };
    publisher.subscribed().await;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        publisher.send(line).await?;
    }
    publisher.flush().await;
    Ok(())
}
