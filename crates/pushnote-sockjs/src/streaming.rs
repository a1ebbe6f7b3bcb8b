//! Streams: a receiver whose response has left the server that wrote its head. Whoever has a frame for it writes it, and its
//! task only looks for the client's end.

use std::sync::Arc;

use pushnote_net::http::{Chunk, ResponseStream, TakenOver};
use pushnote_sockjs_proto::{
    frame::Framing,
    session::{ReceiverId, Transmit},
};

use crate::{guard::ConnectionGuard, receiver::Attached, transport::endpoint::Wrapping};

/// The writing end of such a receiver.
#[derive(Debug)]
pub(crate) struct Streaming {
    pub(crate) id: ReceiverId,
    framing: Framing,
    response: Arc<ResponseStream>,
}

impl Streaming {
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

/// Goes on with a response whose head is written, in a task of its own.
pub(crate) fn start(
    taken: TakenOver,
    attached: Attached,
    Wrapping { prelude, framing }: Wrapping,
    guard: Option<ConnectionGuard>,
) {
    let (response, driver) = ResponseStream::new(taken);
    if let Some(prelude) = prelude {
        // A connection that is gone already tells its driver.
        let _ = response.send(&Chunk::new(&prelude));
    }
    let session = Arc::clone(&attached.session);
    session.stream(Streaming { id: attached.id, framing, response });
    tokio::spawn(async move {
        let _held = (attached, guard);
        driver.run(None, move || session.has_room()).await;
    });
}
