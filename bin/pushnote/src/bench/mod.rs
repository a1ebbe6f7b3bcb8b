//! `pushnote bench`: the flags and the figures of a load, which `pushnote-load` makes.

mod args;
mod failure;
mod measure;
mod plan;
mod progress;
mod report;
mod resume;
mod stall;

use pushnote_cli::Failure;
use pushnote_load::{Measurement, allow_files, pin_self, plot, run_limit};
use serde_json::json;

pub(crate) use self::args::BenchArgs;
use self::failure::failure;
use self::measure::{measure, start_limit, write};

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    if args.serve_limit {
        return run_limit().map_err(failure);
    }
    let server = plan::of_server(args)?;
    allow_files(args.connections + args.churn as usize).map_err(failure)?;
    if let Some(core) = args.pin_generator {
        pin_self(core).map_err(failure)?;
    }
    if let (true, Some(plan)) = (args.resume, &server) {
        return resume::run(plan, args);
    }
    if let (true, Some(plan)) = (args.stall, &server) {
        return stall::run(plan, args);
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
    let limit = start_limit()?;
    let plan = plan::of_limit(args, limit.address, limit.pid())?;
    measure(&plan, args)
}

/// Server CPU time per delivery as a multiple of the limit's.
fn ratio(server: Option<&Measurement>, limit: Option<&Measurement>) -> Option<f64> {
    Some(server?.cpu_per_delivery_ns()? / limit?.cpu_per_delivery_ns()?)
}
