//! ZeroMQ's wire protocol for PUB and SUB.
