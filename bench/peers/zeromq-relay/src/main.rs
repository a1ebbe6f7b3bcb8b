//! The relay of the `zeromq` crate: XSUB to XPUB by its own `proxy`.

use zeromq::{Socket, XPubSocket, XSubSocket};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut endpoint = || arguments.next().expect("two endpoints: to publish to, to subscribe at");
    let (mut frontend, mut backend) = (XSubSocket::new(), XPubSocket::new());
    frontend.bind(&endpoint()).await.expect("the first endpoint is free");
    backend.bind(&endpoint()).await.expect("the second endpoint is free");
    if let Err(error) = zeromq::proxy(frontend, backend, None).await {
        eprintln!("the proxy has ended: {error}");
    }
}
