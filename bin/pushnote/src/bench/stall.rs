//! `pushnote bench --stall`: what those who are slow cost the others.

use std::fmt::Write;

use pushnote_cli::Failure;
use pushnote_load::{Phase, Plan, Stall};
use serde_json::{Value, json};

use super::args::BenchArgs;
use super::failure::failure;
use super::measure::{pin_server, write};
use super::progress::ProgressLine;
use super::report;

pub(crate) fn run(plan: &Plan, args: &BenchArgs) -> Result<(), Failure> {
    pin_server(plan, args)?;
    let stall = {
        let mut line = ProgressLine::new(&plan.label);
        pushnote_load::stall(plan, &mut |progress| line.show(progress)).map_err(failure)?
    };
    print!("{}\n{}", plan.label, text(&stall));
    if let Some(path) = &args.json {
        write(path, &format!("{:#}\n", json(&stall)))?;
    }
    stall.tally.fault().map_or(Ok(()), |fault| Err(Failure::data(fault)))
}

fn text(stall: &Stall) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:<16}{value}");
    };
    let Stall { reading, pausing, per_second, payload_bytes, missed, .. } = stall;
    line(
        "load",
        format!(
            "{} connections, {pausing} pause; {payload_bytes} B, {per_second} a second",
            reading + pausing
        ),
    );
    for (number, phase) in stall.phases.iter().enumerate() {
        let ratio = match number {
            0 => String::new(),
            _ => stall.p99_ratio(number).map_or_else(String::new, |ratio| format!("; p99 × {ratio:.2}")),
        };
        line(phase.name, format!("{}{ratio}{}", report::quantiles(&phase.latency), shares(phase)));
    }
    let caught_up = match stall.caught_up_ns {
        Some(ns) => format!("{missed} deliveries in {:.0} ms", ns as f64 / 1e6),
        None => format!("{missed} deliveries were missing, and not all came"),
    };
    line("caught up", caught_up);
    line("checked", report::checked(stall.tally.fault()));
    if let Some(idle) = stall.resident_idle {
        let resident = stall.phases.iter().filter_map(|phase| phase.resident);
        let resident: Vec<_> = resident.map(|bytes| format!("{:.1}", bytes as f64 / 1e6)).collect();
        line(
            "memory",
            format!(
                "RSS {:.1} → {} MB (idle, then after each phase)",
                idle as f64 / 1e6,
                resident.join(" → ")
            ),
        );
    }
    out
}

/// What of a core the server and the generator used.
fn shares(phase: &Phase) -> String {
    let share = |cpu_ns: u64| cpu_ns as f64 / phase.running.wall_ns as f64 * 100.0;
    let server =
        phase.running.server_cpu_ns.map_or_else(String::new, |ns| format!("; server {:.0} %", share(ns)));
    format!("{server}; generator {:.0} %", share(phase.running.generator_cpu_ns))
}

fn json(stall: &Stall) -> Value {
    let phases = stall.phases.iter().enumerate().map(|(number, phase)| {
        json!({
            "name": phase.name,
            "wall_ns": phase.running.wall_ns,
            "published": phase.running.published,
            "server_cpu_ns": phase.running.server_cpu_ns,
            "generator_cpu_ns": phase.running.generator_cpu_ns,
            "latency_ns": report::latencies(&phase.latency),
            "p99_ratio": stall.p99_ratio(number),
            "resident_bytes": phase.resident,
        })
    });
    json!({
        "connections": stall.reading + stall.pausing,
        "stalled": stall.pausing,
        "rate_per_s": stall.per_second,
        "payload_bytes": stall.payload_bytes,
        "resident_idle_bytes": stall.resident_idle,
        "phases": phases.collect::<Vec<_>>(),
        "missed": stall.missed,
        "caught_up_ns": stall.caught_up_ns,
        "fault": stall.tally.fault(),
    })
}
