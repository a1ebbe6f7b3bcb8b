//! How far a message has come with a user.

use serde::Serialize;
use utoipa::ToSchema;

/// How far a message has come with one of its users. Each is beyond those before it, and a state only goes on: where one device
/// of a user has failed, another may still get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// The server has it.
    Accepted,
    /// A connection of the user was open, and it was sent there.
    Delivered,
    /// It was to be pushed, and was worth nothing any more before a service took it.
    Expired,
    /// It was to be pushed, and no device of the user could be reached, or there is none and no connection was open.
    Failed,
    /// A push service has taken it for one of the user's devices.
    Pushed,
    /// A device has shown it.
    Shown,
    /// One of the user's pages has shown it.
    Acknowledged,
}

/// All of them, in their order.
pub(crate) const STATES: [State; 7] = [
    State::Accepted,
    State::Delivered,
    State::Expired,
    State::Failed,
    State::Pushed,
    State::Shown,
    State::Acknowledged,
];

impl State {
    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Pushed => "pushed",
            Self::Shown => "shown",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// As it is stored: its place among [`STATES`].
    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    /// The one that was stored so.
    pub(super) fn of_number(number: u8) -> Option<Self> {
        STATES.get(usize::from(number)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_stored_as_its_place() {
        for state in STATES {
            assert_eq!(State::of_number(state.number()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert!(STATES.is_sorted());
    }
}
