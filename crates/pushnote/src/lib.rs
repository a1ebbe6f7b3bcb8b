//! Send a message to every browser concerned with one line.
