//! What docker-compose.yml has, for a machine without Docker: each service's command, on this machine's own ports.

use std::path::Path;

/// What its nginx is configured with.
const NGINX: &str = include_str!("../../packaging/nginx.conf");

/// Only as much of YAML as that file has.
pub(crate) struct Compose {
    pub(crate) text: &'static str,
}

impl Compose {
    pub(crate) fn read() -> Self {
        Self { text: include_str!("../../docker-compose.yml") }
    }

    /// The lines at its head that say how it is used.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix("#   ")).collect()
    }

    /// What a service runs, with these arguments, as a line of a shell: its published port is the one it listens on, and
    /// other services' names are this machine's.
    pub(crate) fn command(&self, service: &str, arguments: &[String]) -> String {
        let own = self.section(&format!("  {service}:"));
        let base = if own.contains("*server") { self.section("x-server:") } else { String::new() };
        let command = [&own, &base].into_iter().find_map(|section| {
            let list =
                value(section, "entrypoint").map(|list| list.trim_matches(['[', ']']).replace(", ", " "));
            list.or_else(|| value(section, "command").map(str::to_owned))
        });
        let command = command.unwrap_or_else(|| panic!("no command of {service}"));
        let published =
            value(&own, "ports").and_then(|ports| ports.trim_matches(['[', '"', ']']).rsplit_once(':'));
        // An address may stand before the port.
        let published = published.map(|(port, inside)| (port.rsplit(':').next().unwrap_or(port), inside));
        let words = command.split(' ').map(|word| match published {
            Some((port, inside)) if word == format!("--port={inside}") => format!("--port={port}"),
            _ => word.replace("tcp://mq:", "tcp://127.0.0.1:"),
        });
        words.chain(arguments.iter().cloned()).map(|word| format!("'{word}' ")).collect()
    }

    /// The command that tells whether a service is well.
    pub(crate) fn healthcheck(&self, service: &str) -> String {
        let own = self.section(&format!("  {service}:"));
        let list = value(&own, "test").unwrap_or_else(|| panic!("no healthcheck of {service}"));
        let list = list.trim_matches(['[', ']']).replace(", ", " ");
        list.strip_prefix("CMD ").unwrap_or_else(|| panic!("not CMD: {list}")).to_owned()
    }

    /// A line of a shell that starts its nginx, if tests/setup has one, on this machine's ports.
    pub(crate) fn nginx(&self, folder: &Path) -> Option<String> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".proxies/usr/sbin/nginx");
        assert!(self.text.contains("./packaging/nginx.conf:/etc/nginx/conf.d/default.conf:ro"));
        let mut site = NGINX.to_owned();
        for (word, here) in [
            ("server-1:8080", "127.0.0.1:8081"),
            ("server-2:8080", "127.0.0.1:8082"),
            ("listen 80", "listen 127.0.0.1:8080"),
        ] {
            assert!(site.contains(word), "{word}");
            site = site.replace(word, here);
        }
        let folder = folder.display();
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths = paths.map(|name| format!("{name}_temp_path {folder}/{name};")).concat();
        // One process: a master that is killed leaves its workers.
        let text = format!(
            "daemon off; master_process off; pid {folder}/pid; error_log stderr; \
             events {{}}\nhttp {{ access_log off; {paths}\n{site}\n}}"
        );
        std::fs::write(format!("{folder}/nginx.conf"), text).expect("a file");
        program
            .exists()
            .then(|| format!("{} -p {folder} -c {folder}/nginx.conf -e stderr", program.display()))
    }

    /// What stands below a line that begins so, indented further.
    fn section(&self, head: &str) -> String {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let lines = self.text.lines().skip_while(|line| !line.starts_with(head)).skip(1);
        let inside = lines.take_while(|line| line.is_empty() || indent(line) > indent(head));
        inside.map(|line| format!("{line}\n")).collect()
    }
}

fn value<'a>(section: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = section.split_once(&format!("  {key}: "))?;
    rest.lines().next()?.split(" #").next()
}
