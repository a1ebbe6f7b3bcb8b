//! `pushnote bench` with connections that break off or pause, on a small scale.

use pushnote_tests::{Process, Single};
use serde_json::Value;

/// Loads a server of its own with 20 connections; returns the figures.
fn bench(flags: &[&str]) -> Value {
    let single = Single::start();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("figures.json");
    let url = single.server.websocket_url();
    let pid = single.server.process.id().to_string();
    let shared = [
        ["-n", "20"],
        ["--url", &url],
        ["--publish", &single.endpoint],
        ["--pid", &pid],
        ["--json", json.to_str().unwrap()],
    ];
    let arguments: Vec<_> =
        ["bench"].into_iter().chain(shared.into_iter().flatten()).chain(flags.iter().copied()).collect();
    let output = Process::output("pushnote", &arguments, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("none lost, none twice, all in order"), "{text}");
    serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap()
}

#[test]
fn all_come_back_at_once_and_get_everything_that_they_missed() {
    let figures = bench(&["--resume", "--messages", "300", "--limit"]);
    let resumed = &figures["resumed"];
    assert_eq!((&resumed["deliveries"], &resumed["fault"]), (&(20 * 300).into(), &Value::Null));
    // Messages of 200 bytes, and what the protocol puts around them.
    let bytes = resumed["bytes"].as_u64().unwrap();
    assert!((20 * 300 * 200..20 * 300 * 250).contains(&bytes), "{bytes}");
    assert!(resumed["server_cpu_ns"].as_u64().unwrap() > 0 && figures["ratio"].as_f64().unwrap() > 0.0);
    let limit = &figures["limit"];
    assert_eq!(limit["running"]["deliveries"], 20 * 300);
    let written = limit["payload_bytes"].as_u64().unwrap() * 20 * 300;
    assert!(written.abs_diff(bytes) * 20 < bytes, "{written} and {bytes}: all but the heads of frames");
}

#[test]
fn some_stop_reading_and_have_everything_in_the_end() {
    for preset in ["raw", "pushnote"] {
        let flags = ["--stall", "--preset", preset, "--duration", "1s", "--warmup", "0s"];
        let figures = bench(&flags);
        assert_eq!((&figures["stalled"], &figures["fault"]), (&2.into(), &Value::Null));
        let phases = figures["phases"].as_array().unwrap();
        let names: Vec<_> = phases.iter().map(|phase| phase["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["none stalled", "stalled", "reading on"]);
        assert!(phases.iter().all(|phase| phase["latency_ns"]["p99"].as_u64().unwrap() > 0));
        // What came while they did not read: 100 messages to each of two.
        assert_eq!(figures["missed"].as_u64().unwrap(), 2 * phases[1]["published"].as_u64().unwrap());
        assert!(figures["caught_up_ns"].as_u64().is_some());
    }
}
