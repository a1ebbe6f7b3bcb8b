//! How frames look on one connection: as they are, as ZMTP 1.0 has them, or sealed.

use crate::curve::{MESSAGE_OVERHEAD_BYTES, Opener, Sealer, Session};
use crate::frame::{frames, head_bytes};
use crate::handshake::Version;
use crate::scan::ScanError;
use crate::v1;
use bytes::{Bytes, BytesMut};

/// What is done to frames before they are written.
#[derive(Debug, Default)]
pub enum Encoder {
    /// Nothing.
    #[default]
    Plain,
    /// ZMTP 1.0.
    V1,
    /// CURVE.
    Curve(Sealer),
}

/// What is done to bytes that were read, to have frames.
#[derive(Debug)]
pub enum Decoder {
    /// ZMTP 1.0.
    V1,
    /// CURVE.
    Curve(Opener),
}

/// Both directions; bytes that were read are frames already when there is no decoder.
pub fn codec(version: Version, session: Option<Session>) -> (Encoder, Option<Decoder>) {
    match session {
        Some(Session { sealer, opener }) => (Encoder::Curve(sealer), Some(Decoder::Curve(opener))),
        None if version == Version::V1_0 => (Encoder::V1, Some(Decoder::V1)),
        None => (Encoder::Plain, None),
    }
}

impl Encoder {
    /// Whether frames are written as they are.
    pub fn is_plain(&self) -> bool {
        matches!(self, Encoder::Plain)
    }

    /// A run of whole frames as it is written; the runs have to leave in the order of these calls.
    pub fn encode(&mut self, run: &Bytes) -> Bytes {
        let bytes = self.encoded_bytes(run);
        match self {
            Encoder::Plain => run.clone(),
            Encoder::V1 => v1::encode(run),
            Encoder::Curve(sealer) => {
                let mut out = BytesMut::with_capacity(bytes);
                sealer.seal(run, &mut out);
                out.freeze()
            }
        }
    }

    /// How long [`Encoder::encode`] makes a run.
    pub fn encoded_bytes(&self, run: &[u8]) -> usize {
        let encoded = |bytes: usize| match self {
            Encoder::Plain => head_bytes(bytes) + bytes,
            Encoder::V1 => v1::head_bytes(bytes) + bytes,
            Encoder::Curve(_) => {
                let bytes = bytes + MESSAGE_OVERHEAD_BYTES;
                head_bytes(bytes) + bytes
            }
        };
        frames(run).map(|(_, body)| encoded(body.len())).sum()
    }
}

impl Decoder {
    /// Moves whole frames from the front of `input` to `out`.
    pub fn decode(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
        frame_bytes_max: usize,
    ) -> Result<(), ScanError> {
        match self {
            Decoder::V1 => v1::decode(input, out, frame_bytes_max),
            Decoder::Curve(opener) => opener.open(input, out, frame_bytes_max),
        }
    }
}
