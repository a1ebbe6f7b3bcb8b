//! Counters and gauges in the text format of Prometheus, and over HTTP.
//!
//! Nothing is counted for this: the counters that are there are read when somebody asks.

mod server;

pub use server::{BindError, Listener, Serving};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A label's name and value.
pub type Label = (&'static str, String);

/// What can be measured.
pub trait Measured: Send + Sync + 'static {
    /// Writes all metrics as they are now.
    ///
    /// # Errors
    /// What writing to `page` says.
    fn measure(&self, page: &mut Page<'_>) -> fmt::Result;
}

/// What a process counts, whatever it is for.
#[derive(Clone, Copy, Debug)]
pub struct ProcessCounters {
    /// Panics of its tasks and threads.
    pub panics: fn() -> u64,
    /// Lines of its log that were not written.
    pub log_lines_lost: fn() -> u64,
}

/// All that is measured of a process.
#[derive(Debug)]
pub struct Meter(Registry);

impl Meter {
    /// Of `measured`, and of the process.
    pub fn new(measured: impl Measured, process: ProcessCounters) -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(All { measured, process, started }));
        Meter(registry)
    }

    /// All metrics now, in the text format of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_text::encode(&mut text, &self.0);
        text
    }
}

struct All<M> {
    measured: M,
    process: ProcessCounters,
    /// Seconds of the Unix epoch.
    started: f64,
}

impl<M> fmt::Debug for All<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("All").field("process", &self.process).finish_non_exhaustive()
    }
}

impl<M: Measured> Collector for All<M> {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        self.measured.measure(&mut page)?;
        let ProcessCounters { panics, log_lines_lost } = self.process;
        page.counter("pushnote_panics", "Tasks and threads that a fault of the program has ended", panics())?;
        page.counter("pushnote_log_lines_lost", "Lines of the log that were not written", log_lines_lost())?;
        let (name, help) =
            ("process_start_time_seconds", "When it was started, in seconds of the Unix epoch");
        let mut metric = page.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(&self.started)
    }
}

/// Metrics one after the other.
#[derive(Debug)]
pub struct Page<'a>(DescriptorEncoder<'a>);

#[expect(clippy::missing_errors_doc, reason = "what writing says, as with every writer")]
impl Page<'_> {
    /// A counter without labels; its name without `_total`.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// A counter for each set of labels; its name without `_total`.
    pub fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A gauge for each set of labels.
    pub fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| metric.encode_family(&labels)?.encode_gauge(&value))
    }

    /// Labels that say something, and always the value 1.
    pub fn info(&mut self, name: &str, help: &str, labels: &[Label]) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }
}
