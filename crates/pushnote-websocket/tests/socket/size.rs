//! An idle connection is to cost at most 1.5 KB of user memory, tokio's own and the caller's share included.

use std::mem::size_of_val;

use pushnote_websocket::{Driver, Socket, SocketOptions};

use crate::peer::{connect, ignore};

#[tokio::test]
async fn a_connection_is_small() {
    // With an Arc's two counters, that fills one of glibc's blocks.
    assert!(size_of::<Socket>() <= 152, "{}", size_of::<Socket>());
    assert!(size_of::<Driver>() <= 40, "{}", size_of::<Driver>());
    let (_socket, driver, _peer) = connect(SocketOptions::default()).await;
    let run = driver.run(ignore);
    assert!(size_of_val(&run) <= 256, "{}", size_of_val(&run));
}
