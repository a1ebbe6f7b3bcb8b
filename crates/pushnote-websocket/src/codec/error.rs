//! What is no WebSocket.

use thiserror::Error;

use crate::close_code;

/// How the peer broke RFC 6455. The stream cannot be understood from there on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Bits that only an extension may set; none was agreed on.
    #[error("reserved bits are set")]
    ReservedBits,
    /// An opcode that the RFC does not define.
    #[error("reserved opcode {0:#x}")]
    ReservedOpcode(u8),
    /// A control frame without its FIN bit.
    #[error("fragmented control frame")]
    ControlFragmented,
    /// A control frame with more than 125 bytes.
    #[error("control frame over 125 bytes")]
    ControlTooLong,
    /// A client's frame without a mask.
    #[error("frame is not masked")]
    NotMasked,
    /// A server's frame with a mask.
    #[error("frame is masked")]
    Masked,
    /// A length in more bytes than it needs.
    #[error("length is not in its shortest form")]
    LengthNotMinimal,
    /// A length of 2⁶³ or more.
    #[error("highest bit of the length is set")]
    LengthHighBit,
    /// A continuation of nothing.
    #[error("continuation frame outside of a message")]
    UnexpectedContinuation,
    /// A new message inside a fragmented one.
    #[error("new message inside of a fragmented one")]
    ExpectedContinuation,
    /// A message over the limit given to [`Decoder::new`](crate::decode::Decoder::new).
    #[error("message over {bytes_max} bytes")]
    MessageTooBig {
        /// The limit.
        bytes_max: usize,
    },
    /// A text message or a close reason that is not UTF-8.
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A close frame of one byte.
    #[error("close frame of one byte")]
    CloseTooShort,
    /// A close code that must not be on the wire.
    #[error("close code {0} is reserved")]
    CloseCodeReserved(u16),
}

impl DecodeError {
    /// The code to close the connection with.
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::InvalidUtf8 => close_code::INVALID_UTF8,
            Self::MessageTooBig { .. } => close_code::MESSAGE_TOO_BIG,
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::NotMasked
            | Self::Masked
            | Self::LengthNotMinimal
            | Self::LengthHighBit
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::CloseTooShort
            | Self::CloseCodeReserved(_) => close_code::PROTOCOL_ERROR,
        }
    }
}
