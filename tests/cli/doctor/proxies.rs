//! The browser's side behind real proxies, set up wrongly.

use std::process::Command;

use pushnote_tests::{Launch, SECRET, Single};

use super::fronts::{caddy, free_ports, haproxy, nginx};
use super::page::SESSIONS;
use super::{Said, says, says_with};

const WITH_SECRET: &[(&str, &str)] = &[("PUSHNOTE_SECRET", SECRET)];
/// What the documentation has for nginx.
const UPGRADE: &str =
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $upgrade;
                       proxy_set_header Host $http_host;";
const MAP: &str = "map $http_upgrade $upgrade { default upgrade; \"\" \"\"; }\n";

fn at(port: u16) -> String {
    format!("http://127.0.0.1:{port}/sockjs")
}

/// A server of nginx's.
fn block(port: u16, to: &str, settings: &str) -> String {
    format!("server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{to}; {settings} }} }}\n")
}

fn quickly(port: u16, code: i32) -> Said {
    says_with(&[&at(port), "--timeout=1s", "--keep-alive=0s"], WITH_SECRET, code)
}

#[test]
fn nginx_that_is_set_up_well_and_not_so_well() {
    let single = Single::start();
    let to = &*single.server.address;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket").display().to_string();
    let flags = ["--single", "--mq_socket=tcp://127.0.0.1:0", &format!("--unix-socket={socket}")];
    let by_file = Launch::server().arguments(flags).start();
    by_file.line_after("listening on http://unix:");
    let [good, file, gone, buffers, plain, zips, strips, twice, frames] = free_ports();
    let kept = "proxy_ignore_headers X-Accel-Buffering;";
    let blocks = [
        MAP.to_owned(),
        block(good, to, UPGRADE),
        block(file, &format!("unix:{socket}"), UPGRADE),
        block(gone, &format!("unix:{socket}.gone"), UPGRADE),
        block(buffers, to, &format!("{kept} proxy_http_version 1.0; proxy_set_header Host $http_host;")),
        block(plain, to, "proxy_http_version 1.1; proxy_set_header Host $http_host;"),
        block(
            zips,
            to,
            &format!("{UPGRADE} {kept} gzip on; gzip_types *; gzip_proxied any; gzip_min_length 0;"),
        ),
        block(
            strips,
            to,
            &format!(
                "{UPGRADE} proxy_hide_header Access-Control-Allow-Origin; proxy_hide_header Cache-Control;"
            ),
        ),
        block(twice, to, &format!("{UPGRADE} add_header Access-Control-Allow-Origin * always;")),
        block(frames, to, &format!("{UPGRADE} add_header X-Frame-Options DENY always;")),
    ];
    let ports = [good, file, gone, buffers, plain, zips, strips, twice, frames];
    let Some(_front) = nginx(&blocks.concat(), &ports) else { return };

    for port in [good, file] {
        let said = quickly(port, 0);
        assert!(said.0.iter().all(|line| line.starts_with("ok ")), "{said}");
    }
    quickly(gone, 78).has("FAIL", "info", &["502", "the proxy does not reach the server"]);

    let said = quickly(buffers, 78);
    for stream in ["xhr-streaming", "eventsource", "htmlfile", "events"] {
        said.has(
            "FAIL",
            stream,
            &["buffered: ", "proxy_buffering off", "X-Accel-Buffering", "docs/deploy.md"],
        );
    }
    said.has("FAIL", "websocket", &[]).has("ok", "xhr-polling", &[]).has("ok", "jsonp-polling", &[]);

    let said = quickly(plain, 78);
    for socket in ["websocket", "websocket-raw"] {
        said.has(
            "FAIL",
            socket,
            &["400", "a proxy does not pass the upgrade on", "proxy_http_version 1.1", "docs/deploy.md"],
        );
    }
    said.fails_only(&["websocket", "websocket-raw"]);

    let said = quickly(zips, 78);
    said.has("FAIL", "xhr-streaming", &["buffered"]).has("ok", "websocket", &[]);

    let other =
        ["--origin=https://www.example.org", "--timeout=1s", "--keep-alive=0s", "--transport=xhr-polling"];
    let said = says(&[&[&*at(strips)], &other[..]].concat(), 78);
    said.has("FAIL", "origin", &["no Access-Control-Allow-Origin", "takes it away"]).has(
        "warn",
        "cache",
        &["no-store", "take that out"],
    );
    let said = says(&[&[&*at(twice)], &other[..]].concat(), 78);
    said.has("FAIL", "origin", &["comes twice", "adds its own"]);
    // The server has no such page, and what has none is no fault.
    quickly(frames, 0).has("ok", "iframe", &["off at the server"]);
}

#[test]
fn several_servers_without_stickiness() {
    let servers = [Single::start(), Single::start()];
    let [loose, hashed] = free_ports();
    let list = servers.each_ref().map(|single| format!("server {};", single.server.address)).concat();
    let blocks = format!(
        "{MAP}upstream loose {{ {list} }}\nupstream hashed {{ hash $session consistent; {list} }}\n\
         map $uri $session {{ \"~^/sockjs/[^/]+/(?<id>[^/]+)/\" $id; default $remote_addr; }}\n{}{}",
        block(loose, "loose", UPGRADE),
        block(hashed, "hashed", UPGRADE),
    );
    let Some(_front) = nginx(&blocks, &[loose, hashed]) else { return };
    let said = quickly(loose, 78);
    let words = [
        "of 12 requests of one session reached a server that does not know it",
        "JSESSIONID",
        "WebSockets need none",
    ];
    said.has("FAIL", "stickiness", &words).has("ok", "websocket", &[]).has("ok", "websocket-raw", &[]);
    let said = quickly(hashed, 0);
    said.has("ok", "stickiness", &["12 of 12"]);
}

#[test]
fn stickiness_by_a_cookie() {
    let servers = [Single::start(), Single::start()];
    let [front, crossing] = free_ports();
    let [one, two] = servers.each_ref().map(|single| &*single.server.address);
    let text = format!(
        "defaults\n mode http\n option http-no-delay\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n timeout tunnel 60s\n\
         listen lax\n bind 127.0.0.1:{front}\n cookie ROUTE insert indirect nocache\n\
         \x20server one {one} cookie a\n server two {two} cookie b\n\
         listen crossing\n bind 127.0.0.1:{crossing}\n cookie ROUTE insert indirect nocache attr \"SameSite=None\" secure\n\
         \x20server one {one} cookie a\n server two {two} cookie b\n"
    );
    let Some(_front) = haproxy(&text, &[front, crossing]) else { return };
    let ask = |port, origin: &str, code| {
        says(&[&at(port), "--keep-alive=0s", "--transport=xhr-polling", &format!("--origin={origin}")], code)
    };
    ask(front, "http://127.0.0.1:8000", 0).has("ok", "stickiness", &["by a cookie (ROUTE)"]);
    let said = ask(front, "https://www.example.org", 78);
    said.has(
        "FAIL",
        "stickiness",
        &["ROUTE", "pages of https://www.example.org do not bring", "SameSite=None; Secure"],
    );
    ask(crossing, "https://www.example.org", 0).has("ok", "stickiness", &["by a cookie (ROUTE)"]);
}

#[test]
fn connections_that_a_proxy_cuts() {
    let single = Single::start();
    let to = &*single.server.address;
    let [short, tunnel] = free_ports();
    let blocks = format!("{MAP}{}", block(short, to, &format!("{UPGRADE} proxy_read_timeout 1s;")));
    let held = |port| says(&[&at(port), "--keep-alive=5s", "--transport=websocket,xhr-streaming"], 78);
    let cut = |said: &Said| {
        let lines: Vec<_> =
            said.0.iter().filter(|line| line.starts_with("FAIL") && line.contains("keep-alive")).collect();
        assert_eq!(lines.len(), 2, "{said}");
        for (line, name) in lines.iter().zip(["websocket", "xhr-streaming"]) {
            let words = [
                name,
                "was cut after ",
                "before a heartbeat came (25s)",
                "proxy_read_timeout",
                "timeout client",
            ];
            assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
        }
    };
    if let Some(_front) = nginx(&blocks, &[short]) {
        cut(&held(short));
    }
    let text = format!(
        "defaults\n mode http\n option http-no-delay\n timeout connect 5s\n timeout client 1s\n timeout server 1s\n timeout tunnel 1s\n\
         listen all\n bind 127.0.0.1:{tunnel}\n server one {to}\n"
    );
    if let Some(_front) = haproxy(&text, &[tunnel]) {
        cut(&held(tunnel));
    }
}

#[test]
fn caddy_as_it_is_and_a_proxy_without_a_server() {
    let single = Single::start();
    let [good, nobody, absent] = free_ports();
    let sites = format!(
        "http://127.0.0.1:{good} {{\nreverse_proxy {}\n}}\nhttp://127.0.0.1:{nobody} {{\nreverse_proxy 127.0.0.1:{absent}\n}}\n",
        single.server.address
    );
    let Some(_front) = caddy(&sites, &[good, nobody]) else { return };
    let said = quickly(good, 0);
    for transport in SESSIONS {
        said.has("ok", transport, &["answered in"]);
    }
    quickly(nobody, 78).has("FAIL", "info", &["502", "does not reach the server", "started"]);
}

#[test]
fn certificates() {
    let single = Single::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let run = |line: &str| {
        let made = Command::new("openssl").args(line.split(' ')).current_dir(&folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    run(&format!("req -x509 {key} -days 2 -subj /CN=authority -keyout ca.key -out ca.crt"));
    run(&format!("req {key} -subj /CN=server -keyout key -out request"));
    std::fs::write(folder.path().join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    run("x509 -req -in request -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out crt");
    let [port] = free_ports();
    let tls = format!(
        "{MAP}server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {}; ssl_certificate_key {};
          location / {{ proxy_pass http://{}; {UPGRADE} }} }}",
        file("crt"),
        file("key"),
        single.server.address
    );
    let Some(_front) = nginx(&tls, &[port]) else { return };
    let url = format!("https://127.0.0.1:{port}/sockjs");
    let said = says(&[&url], 78);
    said.has("FAIL", "tls", &["UnknownIssuer", "nobody whom this machine trusts", "fullchain.pem", "--ca"]);
    let said = says_with(&[&url, "--keep-alive=0s", "--ca", &file("ca.crt")], WITH_SECRET, 0);
    said.has("ok", "tls", &["TLS 1.", "HTTP/2"]).has("ok", "websocket", &["answered in"]);
    assert!(said.0.iter().all(|line| line.starts_with("ok ")), "{said}");
    let other = format!("https://localhost:{port}/sockjs");
    says(&[&other, "--ca", &file("ca.crt")], 78).has("FAIL", "tls", &["for other names", "localhost"]);
    let said = says(&[&other, "--insecure", "--keep-alive=0s"], 0);
    said.has("warn", "tls", &["not looked at"]).has("ok", "websocket", &[]);
    let plain = format!("http://127.0.0.1:{port}/sockjs");
    says(&[&plain], 78).has("FAIL", "info", &["400", "Give https://"]);
}
