//! All connections of a run: opened, read, and replaced where they are to come and go.

use std::io;

use mio::event::Event;
use mio::{Interest, Registry, Token};

use crate::connection::{Client, Clock, Ending, Shared, Sink};
use crate::error::LoadError;
use crate::message::Messages;
use crate::plan::Plan;
use crate::sequence::Sequence;
use crate::tally::{Role, Tally};

/// Handshakes under way at once: below the smallest listen backlog in use (128).
const OPENING_MAX: usize = 64;
/// The same when all come back at once, to a server that is made for it.
const COMING_BACK_MAX: usize = 1000;

/// More than any one read brings under a sensible load; only what is used is ever touched.
const SCRATCH_BYTES: usize = 1 << 20;

/// Seconds that a connection stays which comes and goes.
const CHURN_STAY_S: u64 = 1;

/// Every connection has a slot: first the counted ones, then the stalled (or pausing), then those that come and go.
pub(crate) struct Crowd {
    pub(crate) tally: Tally,
    pub(crate) shared: Shared,
    slots: Vec<Option<Client>>,
    scratch: Vec<u8>,
    counted: usize,
    stalled: usize,
    /// What those are: stalled for good, or pausing.
    stalled_role: Role,
    tokens: Vec<String>,
    /// Counted connections that are open, by user; one entry when messages go to all.
    audience: Vec<u64>,
    /// Slots that have been started.
    started: usize,
    opening: usize,
    opening_max: usize,
    /// Where the connections of these slots were when they broke off.
    cursors: Vec<Option<String>>,
    pub(crate) open: usize,
    churned: u64,
    churn_per_second: u64,
    asleep: bool,
}

impl Crowd {
    pub(crate) fn new(plan: &Plan, run: u32, clock: Clock, stalled_role: Role) -> Self {
        let churn_per_second = u64::from(plan.churn_per_second);
        let slots = plan.connections() + (churn_per_second * CHURN_STAY_S) as usize;
        Self {
            tally: Tally::new(),
            shared: Shared {
                preset: plan.preset,
                targets: plan.targets.clone(),
                messages: Messages::new(run, plan.payload_bytes),
                clock,
                run,
            },
            slots: std::iter::repeat_with(|| None).take(slots).collect(),
            scratch: vec![0; SCRATCH_BYTES],
            counted: plan.counted,
            stalled: plan.stalled,
            stalled_role,
            tokens: plan.tokens.clone(),
            audience: vec![0; plan.tokens.len().max(1)],
            started: 0,
            opening: 0,
            opening_max: OPENING_MAX,
            cursors: Vec::new(),
            open: 0,
            churned: 0,
            churn_per_second,
            asleep: stalled_role == Role::Stalled,
        }
    }

    /// The user a message is for, and how many connections are to get it.
    pub(crate) fn audience(&self, number: u64) -> (Option<usize>, u64) {
        let user = (number % self.audience.len() as u64) as usize;
        ((!self.tokens.is_empty()).then_some(user), self.audience[user])
    }

    /// Starts as many of the lasting connections as may be under way. Says whether all are open.
    pub(crate) fn open_more(&mut self, registry: &Registry) -> Result<bool, LoadError> {
        let wanted = self.counted + self.stalled;
        while self.started < wanted && self.opening < self.opening_max {
            let slot = self.started;
            self.started += 1;
            self.start(registry, slot, slot).map_err(|error| {
                LoadError::System(format!("cannot open connection {} of {wanted}: {error}", slot + 1))
            })?;
            self.opening += 1;
        }
        if let Some((reason, _)) = self.tally.endings.first_key_value() {
            return Err(LoadError::Server(format!(
                "{} of {wanted} connections are open, and one was refused: {reason}",
                self.open
            )));
        }
        Ok(self.open == wanted)
    }

    /// Replaces those that come and go, one by one, as the time since `start_ns` wants.
    pub(crate) fn churn(&mut self, registry: &Registry, start_ns: u64, now_ns: u64) {
        let due = now_ns.saturating_sub(start_ns) * self.churn_per_second / 1_000_000_000;
        while self.churned < due {
            let first = self.counted + self.stalled;
            let slot = first + (self.churned % (self.churn_per_second * CHURN_STAY_S)) as usize;
            self.slots[slot] = None;
            if let Err(error) = self.start(registry, slot, first + self.churned as usize) {
                self.tally.churn_failed(error.kind().to_string());
            }
            self.churned += 1;
        }
    }

    /// Connections that have come and may have gone.
    pub(crate) fn churned(&self) -> u64 {
        self.churned
    }

    #[inline]
    pub(crate) fn on_event(&mut self, registry: &Registry, event: &Event) {
        let slot = event.token().0;
        let role = self.role(slot);
        let Some(connection) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if self.asleep && matches!(role, Role::Stalled | Role::Pausing) && connection.is_open() {
            return;
        }
        if event.is_writable() {
            let was_open = connection.is_open();
            if let Err(ending) = connection.flush(&self.shared) {
                return self.over(registry, slot, was_open, ending);
            }
            if connection.is_open() && !was_open {
                self.opened(slot, role);
            }
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(registry, slot, event.is_read_closed());
        }
    }

    /// Reads until the socket is empty. `closed`: the server sends no more after that.
    #[inline]
    fn read(&mut self, registry: &Registry, slot: usize, closed: bool) {
        let role = self.role(slot);
        let Some(connection) = &mut self.slots[slot] else { return };
        let was_open = connection.is_open();
        let sink = Sink { tally: &mut self.tally, role };
        let result = connection.read(&self.shared, &mut self.scratch, closed, sink);
        let is_open = connection.is_open();
        if is_open && !was_open {
            self.opened(slot, role);
        }
        if let Err(ending) = result {
            self.over(registry, slot, is_open, ending);
        }
    }

    #[cold]
    fn over(&mut self, registry: &Registry, slot: usize, was_open: bool, ending: Ending) {
        let role = self.role(slot);
        match ending {
            Ending::Over(reason) => self.ended(slot, role, was_open, reason),
            Ending::NextRequest => {
                if let Err(error) = self.restart(registry, slot, role) {
                    self.ended(slot, role, was_open, error.kind().to_string());
                }
            }
        }
    }

    /// Deliveries that never came, after all that will come has come.
    pub(crate) fn give_up(&mut self) {
        self.tally.lost += self.tally.outstanding + self.tally.behind;
        (self.tally.outstanding, self.tally.behind) = (0, 0);
    }

    /// Whether all that reads has what was published.
    pub(crate) fn is_quiet(&self) -> bool {
        self.tally.outstanding == 0 && (self.asleep || self.tally.behind == 0)
    }

    /// Ends all connections, each of which takes note of where it is.
    pub(crate) fn break_off(&mut self) {
        self.cursors = self.slots.iter_mut().map(|slot| slot.take()?.cursor).collect();
        (self.started, self.opening, self.open) = (0, 0, 0);
        self.opening_max = COMING_BACK_MAX;
        self.audience.fill(0);
    }

    /// Stops to read what the stalled get.
    pub(crate) fn sleep_stalled(&mut self) {
        self.asleep = true;
    }

    /// Lets the stalled read again.
    pub(crate) fn wake_stalled(&mut self, registry: &Registry) {
        self.asleep = false;
        self.tally.read_on();
        for slot in self.counted..self.counted + self.stalled {
            if let Some(connection) = &mut self.slots[slot] {
                connection.read_fast();
            }
            self.read(registry, slot, true);
        }
    }

    /// Connections that pause now and then, and are to get everything.
    pub(crate) fn pausing(&self) -> u64 {
        if self.stalled_role == Role::Pausing { self.stalled_open() as u64 } else { 0 }
    }

    /// Stalled connections that have not ended.
    pub(crate) fn stalled_open(&self) -> usize {
        self.slots[self.counted..self.counted + self.stalled].iter().flatten().count()
    }

    #[inline]
    fn role(&self, slot: usize) -> Role {
        if slot < self.counted {
            Role::Counted
        } else if slot < self.counted + self.stalled {
            self.stalled_role
        } else {
            Role::Churning
        }
    }

    fn start(&mut self, registry: &Registry, slot: usize, session: usize) -> io::Result<()> {
        let role = self.role(slot);
        let users = self.tokens.len();
        let (sequence, token) = match role {
            Role::Churning => (Sequence::joining(1), None),
            _ if users == 0 => (Sequence::new(0, 1), None),
            _ => (Sequence::new((slot % users) as u64, users as u64), Some(&self.tokens[slot % users])),
        };
        let subscribe = token.map(|token| self.shared.preset.subscribe(token));
        let cursor = self.cursors.get_mut(slot).and_then(Option::take);
        let mut connection = Client::start(&self.shared, session, role, sequence, subscribe, cursor)?;
        register(registry, &mut connection, slot)?;
        self.slots[slot] = Some(connection);
        Ok(())
    }

    fn restart(&mut self, registry: &Registry, slot: usize, role: Role) -> io::Result<()> {
        let Some(connection) = &mut self.slots[slot] else { return Ok(()) };
        connection.restart(&self.shared, role)?;
        register(registry, connection, slot)
    }

    #[cold]
    fn opened(&mut self, slot: usize, role: Role) {
        let Some(connection) = &self.slots[slot] else { return };
        let took_ns = self.shared.clock.now_ns() - connection.started_ns;
        if role == Role::Churning {
            self.tally.churn_handshake.saturating_record(took_ns);
            return;
        }
        self.tally.handshake.saturating_record(took_ns);
        self.opening -= 1;
        self.open += 1;
        if role == Role::Counted {
            let user = slot % self.audience.len();
            self.audience[user] += 1;
        }
    }

    #[cold]
    fn ended(&mut self, slot: usize, role: Role, was_open: bool, reason: String) {
        let Some(connection) = self.slots[slot].take() else { return };
        match role {
            Role::Churning => self.tally.churn_failed(reason),
            Role::Stalled if was_open => *self.tally.stalled_endings.entry(reason).or_default() += 1,
            Role::Pausing => self.tally.pausing_ended(&connection.sequence, reason),
            Role::Counted | Role::Stalled => {
                let pending = if was_open { connection.sequence.pending(self.tally.published) } else { 0 };
                self.tally.ended(pending, reason);
            }
        }
        if role == Role::Counted && was_open {
            self.open -= 1;
            let user = slot % self.audience.len();
            self.audience[user] -= 1;
        }
    }
}

fn register(registry: &Registry, connection: &mut Client, slot: usize) -> io::Result<()> {
    registry.register(&mut connection.socket, Token(slot), Interest::READABLE | Interest::WRITABLE)
}
