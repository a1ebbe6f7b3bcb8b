//! Socket types: what they are called, and which go with which.

/// The kinds of socket that can meet here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketType {
    /// Publishes.
    Pub,
    /// Subscribes.
    Sub,
    /// Publishes and passes subscriptions on.
    Xpub,
    /// Subscribes by hand.
    Xsub,
    /// Asks, one question at a time.
    Req,
    /// Answers, one question at a time.
    Rep,
    /// Asks, any number of questions at a time.
    Dealer,
    /// Answers whoever asked.
    Router,
}

impl SocketType {
    pub(super) const ALL: [SocketType; 8] = [
        SocketType::Pub,
        SocketType::Sub,
        SocketType::Xpub,
        SocketType::Xsub,
        SocketType::Req,
        SocketType::Rep,
        SocketType::Dealer,
        SocketType::Router,
    ];

    /// The name in READY.
    pub fn name(self) -> &'static str {
        match self {
            SocketType::Pub => "PUB",
            SocketType::Sub => "SUB",
            SocketType::Xpub => "XPUB",
            SocketType::Xsub => "XSUB",
            SocketType::Req => "REQ",
            SocketType::Rep => "REP",
            SocketType::Dealer => "DEALER",
            SocketType::Router => "ROUTER",
        }
    }

    /// The number in a ZMTP 2.0 greeting (RFC 15 §2.2), as libzmq extends it.
    pub(super) fn number(self) -> u8 {
        match self {
            SocketType::Pub => 1,
            SocketType::Sub => 2,
            SocketType::Req => 3,
            SocketType::Rep => 4,
            SocketType::Dealer => 5,
            SocketType::Router => 6,
            SocketType::Xpub => 9,
            SocketType::Xsub => 10,
        }
    }

    /// What is on the other end if nothing else is known.
    pub(super) fn partner(self) -> Self {
        match self {
            SocketType::Pub | SocketType::Xpub => SocketType::Sub,
            SocketType::Sub | SocketType::Xsub => SocketType::Pub,
            SocketType::Req | SocketType::Dealer => SocketType::Router,
            SocketType::Rep | SocketType::Router => SocketType::Dealer,
        }
    }

    /// Which sockets can be joined (RFC 37 §2.4, "socket-type").
    pub(super) fn goes_with(self, peer: SocketType) -> bool {
        use SocketType::{Dealer, Pub, Rep, Req, Router, Sub, Xpub, Xsub};
        match self {
            Pub | Xpub => matches!(peer, Sub | Xsub),
            Sub | Xsub => matches!(peer, Pub | Xpub),
            Req => matches!(peer, Rep | Router),
            Rep => matches!(peer, Req | Dealer),
            Dealer => matches!(peer, Rep | Dealer | Router),
            Router => matches!(peer, Req | Dealer | Router),
        }
    }

    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }

    /// Whether it is on the publishing side.
    pub fn publishes(self) -> bool {
        matches!(self, SocketType::Pub | SocketType::Xpub)
    }
}
