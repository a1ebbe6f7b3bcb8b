//! Prints what publishers send: `cargo run --example tail -- bind|connect ENDPOINT [TOPIC…]`.

use pushnote_zmtp::{Options, Subscriber};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (way, endpoint) =
        (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default().parse()?);
    let mut options = Options::default();
    let topics: Vec<_> = arguments.map(Into::into).collect();
    if !topics.is_empty() {
        options.topics = topics;
    }
    let mut subscriber = match way.as_str() {
        "bind" => Subscriber::bind(&endpoint, options).await?,
        _ => Subscriber::connect(endpoint, options),
    };
    while let Some(message) = subscriber.recv().await {
        let parts: Vec<_> = message.parts().collect();
        println!("{parts:?}");
    }
    Ok(())
}
