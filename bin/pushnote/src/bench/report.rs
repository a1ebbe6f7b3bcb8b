//! Figures for people and for programs.

use std::fmt::Write;

use hdrhistogram::Histogram;
use pushnote_load::{Measurement, Pace};
use serde_json::{Value, json};

/// The figures as lines of text.
pub(crate) fn text(measurement: &Measurement) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:<16}{value}");
    };
    line("load", load(measurement));
    line("connections", connections(measurement));
    if let Some(memory) = &measurement.memory {
        let per_connection = measurement.bytes_per_connection().unwrap_or(0.0);
        let [before, idle, end] = [memory.before, memory.idle, memory.end].map(|bytes| bytes as f64 / 1e6);
        line(
            "memory",
            format!(
                "{per_connection:.0} B a connection; RSS {before:.1} → {idle:.1} → {end:.1} MB (before, idle, end)"
            ),
        );
    }
    if let (Some(idle), Some(cpu_ns)) = (&measurement.idle, measurement.idle_cpu_ns()) {
        line(
            "idle",
            format!(
                "{:.2} µs of server CPU a connection and second, over {:.0} s",
                cpu_ns / 1e3,
                idle.wall_ns as f64 / 1e9
            ),
        );
    }
    if let Some(running) = &measurement.running {
        let seconds = running.wall_ns as f64 / 1e9;
        let deliveries = measurement.tally.deliveries;
        line(
            "deliveries",
            format!(
                "{deliveries} in {seconds:.2} s, {:.0} a second, of {} messages",
                deliveries as f64 / seconds,
                running.published
            ),
        );
        line("checked", checked(measurement.fault()));
        line("latency", quantiles(&measurement.tally.latency));
        if let (Some(cpu_ns), Some(total_ns)) = (measurement.cpu_per_delivery_ns(), running.server_cpu_ns) {
            let share = total_ns as f64 / running.wall_ns as f64;
            line(
                "server CPU",
                format!("{:.3} µs a delivery; {:.0} % of a core", cpu_ns / 1e3, share * 100.0),
            );
        }
        let share = measurement.generator_share().unwrap_or(0.0);
        let note = if share > 0.9 { ": it is the limit, so latencies are its own" } else { "" };
        line("generator", format!("{:.0} % of a core{note}", share * 100.0));
    }
    if let Some(stalled) = &measurement.stalled {
        let ended: Vec<_> = measurement
            .tally
            .stalled_endings
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        line("stalled", format!("{}: {} open, {}", stalled.connections, stalled.open, ended.join(", ")));
    }
    if let Some(churned) = churned(measurement) {
        let failed: u64 = measurement.tally.churn_failures.values().sum();
        let handshakes = quantiles(&measurement.tally.churn_handshake);
        line("churn", format!("{churned} came and went, {failed} failed; ready after {handshakes}"));
    }
    out
}

/// What was wrong, or that nothing was.
pub(super) fn checked(fault: Option<String>) -> String {
    fault.unwrap_or_else(|| "none lost, none twice, all in order".to_owned())
}

fn load(measurement: &Measurement) -> String {
    let pace = match measurement.pace {
        _ if measurement.running.is_none() => "no messages".to_owned(),
        Pace::Closed { in_flight } => format!("{in_flight} in flight"),
        Pace::Open { per_second } => format!("{per_second} a second"),
    };
    let users = match measurement.users {
        0 => String::new(),
        users => format!(", each to one of {users} users"),
    };
    format!("{}, {} B, {pace}{users}", measurement.preset, measurement.payload_bytes)
}

fn connections(measurement: &Measurement) -> String {
    let count = measurement.connections;
    let seconds = measurement.connecting.wall_ns as f64 / 1e9;
    let ready = quantiles(&measurement.tally.handshake);
    let cpu = measurement.cpu_per_handshake_ns();
    let cpu = cpu.map_or_else(String::new, |cpu_ns| format!("; {:.1} µs of server CPU each", cpu_ns / 1e3));
    format!("{count} in {seconds:.2} s{cpu}; ready after {ready}")
}

fn churned(measurement: &Measurement) -> Option<u64> {
    let churned = measurement.running.as_ref().map(|running| running.churned);
    churned.or(measurement.idle.as_ref().map(|idle| idle.churned)).filter(|&churned| churned > 0)
}

pub(super) fn quantiles(histogram: &Histogram<u64>) -> String {
    let quantiles = Measurement::quantiles(histogram);
    let quantiles = quantiles.map(|(name, ns)| format!("{name} {:.2}", ns as f64 / 1e6));
    format!("{} ms", quantiles.join(", "))
}

/// The figures as JSON; times are in nanoseconds, memory in bytes.
pub(crate) fn json(measurement: &Measurement) -> Value {
    let tally = &measurement.tally;
    let (in_flight, per_second) = match measurement.pace {
        Pace::Closed { in_flight } => (Some(in_flight), None),
        Pace::Open { per_second } => (None, Some(per_second)),
    };
    json!({
        "label": measurement.label,
        "preset": measurement.preset,
        "connections": measurement.connections,
        "users": measurement.users,
        "in_flight": in_flight,
        "rate_per_s": per_second,
        "payload_bytes": measurement.payload_bytes,
        "connecting": {
            "wall_ns": measurement.connecting.wall_ns,
            "server_cpu_ns": measurement.connecting.server_cpu_ns,
            "server_cpu_per_handshake_ns": measurement.cpu_per_handshake_ns(),
            "ready_ns": latencies(&tally.handshake),
        },
        "memory": measurement.memory.as_ref().map(|memory| json!({
            "before_bytes": memory.before, "idle_bytes": memory.idle, "end_bytes": memory.end,
            "per_connection_bytes": measurement.bytes_per_connection(),
        })),
        "idle": measurement.idle.as_ref().map(|idle| json!({
            "wall_ns": idle.wall_ns, "server_cpu_ns": idle.server_cpu_ns,
            "server_cpu_per_connection_second_ns": measurement.idle_cpu_ns(),
        })),
        "running": measurement.running.as_ref().map(|running| json!({
            "wall_ns": running.wall_ns,
            "published": running.published,
            "deliveries": tally.deliveries,
            "server_cpu_ns": running.server_cpu_ns,
            "server_cpu_per_delivery_ns": measurement.cpu_per_delivery_ns(),
            "generator_share": measurement.generator_share(),
            "latency_ns": latencies(&tally.latency),
        })),
        "faults": {
            "lost": tally.lost, "duplicates": tally.duplicates, "out_of_order": tally.out_of_order,
            "misdelivered": tally.misdelivered, "ended": tally.endings,
        },
        "stalled": measurement.stalled.as_ref().map(|stalled| json!({
            "connections": stalled.connections, "open": stalled.open, "ended": tally.stalled_endings,
        })),
        "churn": churned(measurement).map(|churned| json!({
            "connections": churned, "failed": tally.churn_failures, "ready_ns": latencies(&tally.churn_handshake),
        })),
    })
}

pub(super) fn latencies(histogram: &Histogram<u64>) -> Value {
    Measurement::quantiles(histogram).into_iter().map(|(name, ns)| (name.to_owned(), json!(ns))).collect()
}
