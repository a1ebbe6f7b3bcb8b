//! What sending to very many browsers costs the server. It takes a minute or two, so it is run by itself, for its figures:
//! `cargo test --release -p pushnote-tests --test web_push -- --ignored --nocapture`, after `cargo build --release --bins`.

use std::fs::read_to_string;
use std::time::Instant;

use crate::setup::Setup;

const BROWSERS: u32 = 100_000;
/// What the server's memory may grow by, in KiB, however many there are.
const GROWTH_MAX: u64 = 64 << 10;
/// In a second, as `/proc` counts CPU time.
const TICKS: f64 = 100.0;

#[test]
#[ignore = "for its figures"]
fn a_hundred_thousand_browsers_take_no_more_memory_than_a_few() {
    let setup = Setup::with_imported(BROWSERS, &[]);
    let server = setup.server.process.id();
    let (memory_before, cpu, began) = (memory(server, "VmRSS"), cpu_seconds(server), Instant::now());
    let sent = setup.send(&["--all", "--title=Hi", "--body=You have mail", "--url=/inbox", "--topic=news"]);
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds(server) - cpu);
    let said = String::from_utf8(sent.stdout).unwrap();
    assert!(said.contains(&format!("\n{BROWSERS} accepted, 0 gone, 0 failed, 0 expired")), "{said}");
    assert_eq!(setup.service.take().len(), BROWSERS as usize, "each once");

    let (peak, number) = (memory(server, "VmHWM"), f64::from(BROWSERS));
    println!("{}{said}", String::from_utf8(sent.stderr).unwrap());
    println!("{:.0} messages a second, {:.0} a CPU-second of the server", number / seconds, number / cpu);
    println!("memory of the server: {memory_before} KiB before, {peak} KiB at most");
    assert!(peak - memory_before < GROWTH_MAX, "{memory_before} KiB before, {peak} KiB at most");
}

fn cpu_seconds(process: u32) -> f64 {
    let stat = read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}

/// In KiB.
fn memory(process: u32, name: &str) -> u64 {
    let status = read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
