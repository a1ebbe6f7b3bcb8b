//! `pushnote bench --resume`: what it costs that all come back at once.

use std::fmt::Write;

use pushnote_cli::Failure;
use pushnote_load::{Measurement, Plan, Resumption};
use serde_json::{Value, json};

use super::args::BenchArgs;
use super::failure::failure;
use super::measure::{measure, pin_server, start_limit, write};
use super::plan::of_resumed_limit;
use super::progress::ProgressLine;
use super::report;

pub(crate) fn run(plan: &Plan, args: &BenchArgs) -> Result<(), Failure> {
    pin_server(plan, args)?;
    let resumed = {
        let mut line = ProgressLine::new(&plan.label);
        pushnote_load::resume(plan, &mut |progress| line.show(progress)).map_err(failure)?
    };
    print!("{}\n{}", plan.label, text(&resumed));
    let limit = if args.limit { Some(measure_limit(&resumed, args)?) } else { None };
    if let Some(limit) = &limit {
        print!("{}\n{}", limit.label, report::text(limit));
    }
    let ratio = ratio(&resumed, limit.as_ref());
    if let Some(ratio) = ratio {
        println!("  {:<16}{ratio:.2} × the bare writing of the same bytes", "ratio");
    }
    if let Some(path) = &args.json {
        let limit = limit.as_ref().map(report::json);
        let figures = json!({"resumed": json(&resumed), "limit": limit, "ratio": ratio});
        write(path, &format!("{figures:#}\n"))?;
    }
    let limit_fault = limit.as_ref().and_then(Measurement::fault);
    resumed.tally.fault().or(limit_fault).map_or(Ok(()), |fault| Err(Failure::data(fault)))
}

fn measure_limit(resumed: &Resumption, args: &BenchArgs) -> Result<Measurement, Failure> {
    let limit = start_limit()?;
    measure(&of_resumed_limit(args, resumed, limit.address, limit.pid())?, args)
}

/// Server CPU time from the first that came back to the last that had everything, as a multiple of the limit's.
fn ratio(resumed: &Resumption, limit: Option<&Measurement>) -> Option<f64> {
    let limit_ns = limit?.running.as_ref()?.server_cpu_ns?;
    Some(resumed.back.server_cpu_ns? as f64 / limit_ns as f64)
}

fn text(resumed: &Resumption) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:<16}{value}");
    };
    let Resumption { connections, messages, payload_bytes, .. } = resumed;
    line("load", format!("{connections} come back, each for {messages} messages of {payload_bytes} B"));
    let seconds = resumed.back.wall_ns as f64 / 1e9;
    let megabytes = resumed.bytes as f64 / 1e6;
    line("all had all", format!("{seconds:.2} s, {megabytes:.0} MB"));
    line("checked", report::checked(resumed.tally.fault()));
    line("welcome", format!("after {}", report::quantiles(&resumed.tally.handshake)));
    if let (Some(total_ns), Some(each_ns), Some(message_ns)) =
        (resumed.back.server_cpu_ns, resumed.cpu_per_connection_ns(), resumed.cpu_per_delivery_ns())
    {
        let (total, each, message) = (total_ns as f64 / 1e9, each_ns / 1e3, message_ns / 1e3);
        line("server CPU", format!("{total:.3} s; {each:.1} µs a connection, {message:.3} µs a message"));
    }
    if let Some(first_ns) = resumed.first.server_cpu_ns {
        let each = first_ns as f64 / 1e3 / *connections as f64;
        line("first time", format!("{each:.1} µs of server CPU a connection, with nothing to get"));
    }
    if let Some(memory) = &resumed.memory {
        let [before, idle, end] = [memory.before, memory.idle, memory.end].map(|bytes| bytes as f64 / 1e6);
        line("memory", format!("RSS {before:.1} → {idle:.1} → {end:.1} MB (before, idle, all had all)"));
    }
    out
}

fn json(resumed: &Resumption) -> Value {
    json!({
        "connections": resumed.connections,
        "messages": resumed.messages,
        "payload_bytes": resumed.payload_bytes,
        "bytes": resumed.bytes,
        "wall_ns": resumed.back.wall_ns,
        "server_cpu_ns": resumed.back.server_cpu_ns,
        "server_cpu_per_connection_ns": resumed.cpu_per_connection_ns(),
        "server_cpu_per_delivery_ns": resumed.cpu_per_delivery_ns(),
        "first_server_cpu_ns": resumed.first.server_cpu_ns,
        "welcome_ns": report::latencies(&resumed.tally.handshake),
        "memory": resumed.memory.as_ref().map(|memory| json!({
            "before_bytes": memory.before, "idle_bytes": memory.idle, "end_bytes": memory.end,
        })),
        "deliveries": resumed.tally.deliveries,
        "fault": resumed.tally.fault(),
    })
}
