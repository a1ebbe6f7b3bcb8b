//! The proxies that tests/setup has unpacked, each with settings of a test's own.

use std::fs::read_dir;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pushnote_tests::{PATIENCE, Process};
use tempfile::TempDir;

/// A proxy that runs, and its folder.
pub(super) struct Front {
    _process: Process,
    _folder: TempDir,
}

/// Ports that are free at the moment, none of them twice.
pub(super) fn free_ports<const N: usize>() -> [u16; N] {
    [(); N].map(|()| pushnote_tests::free_port())
}

fn unpacked() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".proxies")
}

/// The program, unless this system has no such package.
fn program(path: &str) -> Option<PathBuf> {
    let program = unpacked().join(path);
    if !program.exists() {
        pushnote_tests::skipped(&format!("{} is not there", program.display()));
    }
    program.exists().then_some(program)
}

/// nginx with these blocks in `http`.
pub(super) fn nginx(blocks: &str, ports: &[u16]) -> Option<Front> {
    let program = program("usr/sbin/nginx")?;
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {at}/{name};\n"))
        .concat();
    let text = format!(
        "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr crit;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{blocks}\n}}\n"
    );
    Some(start(&program, folder, &text, ports, |file| {
        let folder = file.parent().expect("a folder").display().to_string();
        vec!["-p".into(), folder, "-c".into(), file.display().to_string(), "-e".into(), "stderr".into()]
    }))
}

/// HAProxy with these settings.
pub(super) fn haproxy(text: &str, ports: &[u16]) -> Option<Front> {
    let program = program("usr/sbin/haproxy")?;
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = |file: &Path| vec!["-db".into(), "-f".into(), file.display().to_string()];
    Some(start(&program, folder, text, ports, arguments))
}

/// Caddy with these sites.
pub(super) fn caddy(sites: &str, ports: &[u16]) -> Option<Front> {
    let program = program("usr/bin/caddy")?;
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("{{\nadmin off\nauto_https off\n}}\n{sites}");
    let arguments = |file: &Path| {
        let words = ["run", "--adapter", "caddyfile", "--config"].map(str::to_owned);
        words.into_iter().chain([file.display().to_string()]).collect()
    };
    Some(start(&program, folder, &text, ports, arguments))
}

/// Returns once it takes connections.
fn start(
    program: &Path,
    folder: TempDir,
    text: &str,
    ports: &[u16],
    arguments: impl Fn(&Path) -> Vec<String>,
) -> Front {
    let file = folder.path().join("configuration");
    std::fs::write(&file, text).expect("its settings");
    let libraries: Vec<_> = read_dir(unpacked().join("usr/lib"))
        .expect("its libraries")
        .flatten()
        .map(|entry| entry.path().display().to_string())
        .collect();
    let mut command = Command::new(program);
    command.args(arguments(&file)).env("LD_LIBRARY_PATH", libraries.join(":"));
    command
        .env("HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path());
    let mut process = Process::spawn(&mut command);
    let deadline = Instant::now() + PATIENCE;
    for port in ports {
        while TcpStream::connect(("127.0.0.1", *port)).is_err() {
            assert!(process.is_running(), "{} has ended, with {text}", program.display());
            assert!(Instant::now() < deadline, "{} does not listen on {port}", program.display());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Front { _process: process, _folder: folder }
}
