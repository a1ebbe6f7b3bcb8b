//! Frames and messages of RFC 6455 as plain functions of bytes.

pub mod decode;
pub mod encode;
mod error;
mod header;
mod mask;
mod opcode;
mod utf8;

#[cfg(test)]
mod tests;
