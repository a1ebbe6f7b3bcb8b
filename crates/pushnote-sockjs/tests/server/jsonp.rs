//! jsonp and jsonp_send.

use pushnote_sockjs::Message;

use crate::support::Server;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n";

#[tokio::test]
async fn a_session() {
    let mut server = Server::start().await;
    let answer = server.get("/app/0/id/jsonp?c=%63allback").await;
    assert_eq!(answer.body, "/**/callback(\"o\");\r\n");
    assert_eq!(answer.header("content-type"), "application/javascript; charset=UTF-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("access-control-allow-origin"), "-");
    let session = server.opened().await;

    for (headers, body, message) in [
        (FORM, "d=%5B%22x+%2B%22%5D", "x +"),
        (FORM, "i=0&d=%5B%22y%22%5D", "y"),
        ("Content-Type: text/plain\r\n", "[\"%61bc\"]", "%61bc"),
        ("", "[\"z\"]", "z"),
    ] {
        let answer = server.request("POST", "/app/0/id/jsonp_send?i=1", headers, body).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{body}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=UTF-8");
        assert_eq!(server.message().await, message);
    }
    for (body, message) in [
        ("", "Payload expected."),
        ("d=", "Payload expected."),
        ("p=p", "Payload expected."),
        ("d=%5B%22x", "Broken JSON encoding."),
    ] {
        let answer = server.request("POST", "/app/0/id/jsonp_send", FORM, body).await;
        assert_eq!((answer.status, answer.body.as_str()), (500, message), "{body}");
    }
    assert_eq!(server.request("POST", "/app/0/none/jsonp_send", FORM, "d=%5B%5D").await.status, 404);

    session.send(&Message::text("\"")).unwrap();
    assert_eq!(server.get("/app/0/id/jsonp?c=x").await.body, "/**/x(\"a[\\\"\\\\\\\"\\\"]\");\r\n");
    session.close(3000, "Go away!");
    for _ in 0..2 {
        assert_eq!(server.get("/app/0/id/jsonp?c=x").await.body, "/**/x(\"c[3000,\\\"Go away!\\\"]\");\r\n");
    }
}

#[tokio::test]
async fn callbacks() {
    let server = Server::start().await;
    let long = format!("?c={}", "x".repeat(33));
    for (query, message) in [
        ("", "\"callback\" parameter required"),
        ("?c=*", "invalid \"callback\" parameter"),
        (long.as_str(), "invalid \"callback\" parameter"),
    ] {
        let answer = server.get(&format!("/app/0/id/jsonp{query}")).await;
        assert_eq!((answer.status, answer.body.as_str()), (500, message), "{query}");
        assert!(answer.header("cache-control").starts_with("no-store"));
    }
    assert_eq!(server.sockjs.session_count(), 0);
}
