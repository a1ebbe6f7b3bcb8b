//! Engines: where envelopes come from. Each takes bytes from its source, has [`Ingest`](crate::Ingest) parse
//! them once, and publishes to the hub; waiting for the hub is its backpressure towards the source.

pub mod zeromq;

mod order;
