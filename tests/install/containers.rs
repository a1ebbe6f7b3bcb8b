//! The image and the whole set-up of docker-compose.yml, by a Docker engine of its own. What images are made from comes from
//! no registry: Debian is the one of tests/setup, and Rust's compiler gives what has been built.

use std::path::Path;

use pushnote_tests::Process;

use crate::checkout::Checkout;
use crate::machine::Machine;
use crate::{make, root, succeeds};

const COMPOSE: &str = include_str!("../../docker-compose.yml");

/// In the place of Rust's image: what stands for cargo takes the line that `make release` has, and no other.
const RUST: &str = r#"FROM debian:bookworm-slim
COPY target/release /built-before
RUN printf '#!/bin/sh\n[ "cargo $*" = "LINE" ] && install -D -t target/release /built-before/*' > /usr/bin/cargo && \
    ln -s /bin/true /usr/bin/strip && chmod +x /usr/bin/cargo
"#;

/// In the place of nginx's: Debian's, which has the same folders.
const NGINX: &str = r#"FROM debian:bookworm-slim
COPY usr/lib lib /usr/lib/
COPY usr/sbin/nginx /usr/sbin/
COPY usr/share/nginx /usr/share/nginx
COPY etc/nginx /etc/nginx
RUN mkdir -p /etc/nginx/conf.d /var/log/nginx /var/lib/nginx
CMD ["nginx", "-g", "daemon off;"]
"#;

/// The engine with what is pulled elsewhere; `None`, and a line that says why, where that cannot be.
fn engine(folder: &Path) -> Option<Machine> {
    let engine = Machine::with_docker(folder)?;
    engine.run("tar -C tests/.cache/debian -c . | docker import - debian:bookworm-slim");
    let build = |image: &str, file: &str, context: &Path| {
        let context = context.display();
        engine.run(&format!("docker build --tag {image} --file - {context} <<'END'\n{file}END"));
    };
    let checkout = Checkout::new();
    let release = succeeds(make().args(["--dry-run", "release"]).current_dir(root()));
    let line = release.lines().next().expect("a line of cargo's");
    build("rust:1-slim-bookworm", &RUST.replace("LINE", line), checkout.path());
    build("nginx:1-alpine", NGINX, &root().join("tests/.proxies"));
    Some(engine)
}

/// Machines where tests run may not have as many files as servers want.
fn limit(engine: &Machine) {
    let most = engine.run("ulimit -Hn");
    let limit = format!("{{ulimits: {{nofile: {}}}}}", most.trim());
    let text = format!("services:\n  server-1: {limit}\n  server-2: {limit}\n");
    engine.run(&format!("cat > /run/limit.yml <<'END'\n{text}END"));
}

#[test]
fn the_lines_of_docker_compose_do_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(engine) = engine(folder.path()) else { return };
    limit(&engine);
    let lines: Vec<_> = COMPOSE.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    let [export, up, publish, demo] = lines[..] else { panic!("four lines at its head") };
    let secret = engine.run(&format!("{export}\nprintf %s \"$PUSHNOTE_SECRET\""));
    let set = format!(
        "export PUSHNOTE_SECRET='{secret}' COMPOSE_FILE=docker-compose.yml:/run/limit.yml COMPOSE_PROJECT_NAME=tests"
    );
    let run = |line: &str| engine.run(&format!("{set}; {line}"));

    run(up);
    // Of one that is not well, nothing would have been started that depends on it.
    let mut pages = Vec::new();
    for port in [8080, 8081, 8082] {
        let address = format!("http://127.0.0.1:{port}/sockjs/000/page-of-{port}/eventsource");
        engine.until(&format!("curl --silent --fail http://127.0.0.1:{port}/sockjs/info"));
        let page = Process::spawn(&mut engine.command(&format!("curl --silent --no-buffer {address}")));
        page.line_after("data: o");
        pages.push(page);
    }
    run(publish);
    for page in &pages {
        assert_eq!(page.line_after("data: "), r#"a[{"msg":"Hi all!"}]"#);
    }
    let upgrade = "--http1.1 --include --max-time 2 --header 'Connection: Upgrade' --header 'Upgrade: websocket' \
                   --header 'Sec-WebSocket-Version: 13' --header 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='";
    let shaken =
        run(&format!("curl --silent --no-buffer {upgrade} http://127.0.0.1:8080/sockjs/websocket || true"));
    assert!(shaken.starts_with("HTTP/1.1 101 "), "{shaken}");

    for service in ["mq", "server-1", "server-2"] {
        let exec = |line: &str| run(&format!("docker compose exec -T {service} {line}"));
        assert_eq!(exec("id -u"), "65532\n");
        assert_eq!(exec("sh -c 'touch /file || echo refused'"), "refused\n");
        let state = run(&format!(
            "docker inspect -f '{{{{.State.Health.Status}}}}' $(docker compose ps -q {service})"
        ));
        assert_eq!(state, "healthy\n");
    }

    let demo = Process::spawn(&mut engine.command(&format!("{set}; {demo}")));
    demo.line_after("1. open      http://127.0.0.1:8083/");
    engine.until("curl --silent --fail http://127.0.0.1:8083/");

    // Alone, as an orchestrator would run it.
    let server = "pushnote-server --single --mq_socket=tcp://127.0.0.1:8002 --data-dir=/var/lib/pushnote";
    run(&format!("docker run --detach --name alone --env PUSHNOTE_SECRET pushnote {server}"));
    engine.until("docker inspect -f '{{.State.Health.Status}}' alone | grep -x healthy");
    assert_eq!(run("docker exec alone stat -c %u /var/lib/pushnote/pushnote.db"), "65532\n");
    run("docker stop --time 60 alone");
    assert_eq!(run("docker inspect -f '{{.State.ExitCode}}' alone"), "0\n");
    assert!(run("docker run --rm pushnote").contains("Usage: pushnote"));

    // Small: Debian and the programs.
    let size = |image: &str| -> u64 {
        run(&format!("docker image inspect -f '{{{{.Size}}}}' {image}")).trim().parse().expect("bytes")
    };
    let programs = run("docker run --rm pushnote sh -c 'cat /usr/local/bin/* | wc -c'");
    let programs: u64 = programs.trim().parse().expect("bytes");
    assert_eq!(size("pushnote"), size("debian:bookworm-slim") + programs);
}
