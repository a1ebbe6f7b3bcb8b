//! Whose key a message came with.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use pushnote_zmtp::curve::{KeyPair, PublicKey};
use pushnote_zmtp::{Endpoint, Options, Publisher, Requester, Responder, Security, Subscriber};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

fn any_port() -> Endpoint {
    "tcp://127.0.0.1:*".parse().unwrap()
}

fn secured(security: Security) -> Options {
    Options { security, ..Options::default() }
}

async fn sender(subscriber: &mut Subscriber) -> Option<PublicKey> {
    let message = timeout(PATIENCE, subscriber.recv()).await.expect("nothing came").unwrap();
    message.sender().map(|key| **key)
}

#[tokio::test]
async fn a_message_and_a_question_tell_the_key_of_the_client_that_sent_them() {
    let (server, clients) = (KeyPair::generate().unwrap(), [(); 2].map(|()| KeyPair::generate().unwrap()));
    let serving = || Security::curve_server(server.secret.clone(), None);
    let mut subscriber = Subscriber::bind(&any_port(), secured(serving())).await.unwrap();
    let mut responder = Responder::new(secured(serving()));
    responder.bind_also(&any_port()).await.unwrap();
    for client in clients {
        let options = secured(Security::curve_client(server.public, client.secret));
        let publisher = Publisher::connect(subscriber.local_endpoint().unwrap().clone(), options.clone());
        publisher.send("published").await.unwrap();
        assert_eq!(sender(&mut subscriber).await, Some(client.public));
        let requester = Requester::connect(responder.local_endpoints()[0].clone(), options);
        let _reply = requester.request(b"asked").unwrap();
        let request = timeout(PATIENCE, responder.recv()).await.expect("nothing came");
        assert_eq!(request.sender().map(|key| **key), Some(client.public));
    }
}

#[tokio::test]
async fn nothing_is_told_without_keys_or_of_who_was_connected_to() {
    let mut subscriber = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let publisher = Publisher::connect(subscriber.local_endpoint().unwrap().clone(), Options::default());
    publisher.send("in the clear").await.unwrap();
    assert_eq!(sender(&mut subscriber).await, None);

    let (server, client) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let options = secured(Security::curve_server(server.secret.clone(), None));
    let forwarder = Publisher::bind(&any_port(), options).await.unwrap();
    let options = secured(Security::curve_client(server.public, client.secret));
    let mut subscriber = Subscriber::connect(forwarder.local_endpoint().unwrap().clone(), options);
    let passed_on = async {
        loop {
            forwarder.send("of anybody").await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let heard = tokio::select! {
        heard = sender(&mut subscriber) => heard,
        () = passed_on => None,
    };
    assert_eq!(heard, None);
}
