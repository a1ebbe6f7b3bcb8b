//! The page that a client of another origin hides in its own.

use std::fs;

use md5::{Digest, Md5};

use crate::client::{Request, Response, Server};

const PAGE: &str = r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="SCRIPT"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#;

const DEFAULT_SCRIPT: &str = "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js";

fn conditional(server: &Server, tags: &str) -> Response {
    server.ask(&Request::get("/echo/iframe.html").header("If-None-Match", tags))
}

#[test]
fn the_page_loads_the_client_and_starts_it() {
    let response = Server::start().get("/echo/iframe.html");
    assert_eq!(response.header("Content-Type"), Some("text/html; charset=UTF-8"));
    assert_eq!(response.text().trim(), PAGE.replace("SCRIPT", DEFAULT_SCRIPT));
}

#[test]
fn the_page_is_kept_for_a_year_under_the_hash_of_its_content() {
    let response = Server::start().get("/echo/iframe.html");
    response.may_be_cached();
    let hash: String = Md5::digest(response.text()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(response.header("ETag"), Some(format!("\"{hash}\"").as_str()));
}

#[test]
fn a_page_that_the_client_has_is_not_sent_again() {
    let server = Server::start();
    let page = server.get("/echo/iframe.html");
    let tag = page.header("ETag").expect("a tag");
    for tags in [
        tag.to_owned(),
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        format!("\"other\",W/{tag} , \"third\""),
        "*".to_owned(),
    ] {
        let response = conditional(&server, &tags);
        assert_eq!(response.status, 304, "{tags}");
        assert_eq!(response.header("Content-Type"), None, "{tags}");
        assert_eq!(response.header("Content-Length"), None, "{tags}");
        assert!(!response.is_chunked(), "{tags}");
    }
}

#[test]
fn a_page_that_the_client_has_not_is_sent() {
    let server = Server::start();
    let page = server.get("/echo/iframe.html");
    let unquoted = page.header("ETag").expect("a tag").trim_matches('"').to_owned();
    for tags in ["\"other\"", "W/\"other\", \"third\"", "", &unquoted] {
        let response = conditional(&server, tags);
        assert_eq!(response.status, 200, "{tags}");
        assert_eq!(response.text(), page.text());
    }
}

#[test]
fn any_page_may_embed_it() {
    let response = Server::start().get("/echo/iframe.html");
    assert_eq!(response.header("X-Frame-Options"), None);
    assert_eq!(response.header("Content-Security-Policy"), None);
}

#[test]
fn the_script_may_be_at_another_url() {
    for script in ["/lib/sockjs.js", "http://example.org/sockjs.js"] {
        let server = Server::with(&["--sockjs-url", script]);
        assert_eq!(server.get("/echo/iframe.html").text().trim(), PAGE.replace("SCRIPT", script));
    }
}

#[test]
fn the_script_may_be_a_file_that_the_service_serves() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "SockJS = {};").expect("a file to write to");
    let server = Server::with(&["--sockjs-url", file.path().to_str().expect("a path in UTF-8")]);
    let page = server.get("/echo/iframe.html").text();
    let (_, rest) = page.split_once("<script src=\"").expect("a script");
    let (script, _) = rest.split_once('"').expect("its end");
    let target = if script.starts_with('/') { script.to_owned() } else { format!("/echo/{script}") };
    let response = server.get(&target);
    assert_eq!(response.status, 200, "{script}");
    assert_eq!(response.text(), "SockJS = {};");
    response.may_be_cached();
}
