//! `pushnote bench`: an honest load on any push server.
//!
//! One thread and one epoll make the load, so that one core of it can saturate one core of a server. Every delivery is
//! counted and checked. What a server's CPU time means on this machine is told by the bare limit: the same load on a
//! process that does nothing but `send(2)`, measured in the same run.

mod args;
mod connection;
mod crowd;
mod frame;
mod http;
mod limit;
mod load;
mod measurement;
mod message;
mod pace;
mod plan;
mod plot;
mod preset;
mod process;
mod progress;
mod publisher;
mod report;
mod sequence;
mod tally;
#[cfg(test)]
mod tests;
mod url;

use std::path::Path;

use pushnote_shell::Failure;
use serde_json::json;

pub(crate) use self::args::BenchArgs;
use self::limit::Limit;
use self::measurement::Measurement;
use self::plan::Plan;

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    if args.serve_limit {
        return limit::run();
    }
    let server = Plan::of_server(args)?;
    process::allow_files(args.connections + args.churn as usize)?;
    if let Some(core) = args.pin_generator {
        process::pin_self(core)?;
    }
    let limit = if args.limit { Some(measure_limit(args)?) } else { None };
    if let Some(limit) = &limit {
        print!("{}\n{}", limit.label, report::text(limit));
    }
    let server = server.map(|plan| measure(&plan, args)).transpose()?;
    if let Some(server) = &server {
        print!("{}\n{}", server.label, report::text(server));
    }
    let ratio = ratio(server.as_ref(), limit.as_ref());
    if let Some(ratio) = ratio {
        println!("  {:<16}{ratio:.2} × the bare limit", "ratio");
    }
    if let Some(path) = &args.json {
        let figures = json!({
            "server": server.as_ref().map(report::json),
            "limit": limit.as_ref().map(report::json),
            "ratio": ratio,
        });
        write(path, &format!("{figures:#}\n"))?;
    }
    if let Some(path) = &args.svg {
        let runs = server.iter().chain(&limit);
        let curves: Vec<_> = runs.map(|run| (run.label.as_str(), &run.tally.latency)).collect();
        write(path, &plot::svg(&curves))?;
    }
    let fault = server.iter().chain(&limit).find_map(Measurement::fault);
    fault.map_or(Ok(()), |fault| Err(Failure::data(fault)))
}

fn measure_limit(args: &BenchArgs) -> Result<Measurement, Failure> {
    let limit = Limit::start()?;
    let plan = Plan::of_limit(args, limit.address, limit.pid())?;
    measure(&plan, args)
}

fn measure(plan: &Plan, args: &BenchArgs) -> Result<Measurement, Failure> {
    if let Some(core) = args.pin_server {
        plan.server.pin(core)?;
    }
    load::run(plan)
}

/// Server CPU time per delivery as a multiple of the limit's.
fn ratio(server: Option<&Measurement>, limit: Option<&Measurement>) -> Option<f64> {
    Some(server?.cpu_per_delivery_ns()? / limit?.cpu_per_delivery_ns()?)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::system(format!("{}: {error}", path.display())))
}
