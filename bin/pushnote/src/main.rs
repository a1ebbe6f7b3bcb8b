//! The operator's tool: dev, token, publish.
fn main() {}
