//! Streams: a receiver whose response has left the server that wrote its head. Whoever has a frame for it writes it, and its
//! task only looks for the client's end.

use std::sync::Arc;

use pushnote_net::http::{Chunk, ResponseStream};
use pushnote_sockjs_proto::{
    frame::Framing,
    session::{ReceiverId, Transmit},
};

/// The writing end of such a receiver.
#[derive(Debug)]
pub(crate) struct Streaming {
    pub(crate) id: ReceiverId,
    framing: Framing,
    response: Arc<ResponseStream>,
}

impl Streaming {
    pub(crate) fn new(id: ReceiverId, framing: Framing, response: Arc<ResponseStream>) -> Self {
        Self { id, framing, response }
    }

    /// Writes what comes until the kernel refuses. `false`: that was the last.
    pub(crate) fn write(&self, mut next: impl FnMut(&Framing) -> Transmit<Chunk>) -> bool {
        while self.response.is_clear() {
            match next(&self.framing) {
                Transmit::Chunk(chunk) => {
                    // If it is broken, its task detaches it.
                    let _ = self.response.send(&chunk);
                }
                Transmit::Pending => return true,
                Transmit::End => {
                    self.response.end();
                    return false;
                }
            }
        }
        true
    }
}
