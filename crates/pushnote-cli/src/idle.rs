//! Settings that can do nothing: who has set one expects something of it, and would wait for that in vain.

use pushnote_config::{Given, GivenSetting};

use crate::Failure;

/// Settings that do nothing in one case.
#[expect(missing_debug_implementations, reason = "it is a row of a table")]
pub struct Idle<S> {
    /// Their keys.
    pub settings: &'static [&'static str],
    /// In which.
    pub when: fn(&S) -> bool,
    /// Why, and what to do.
    pub why: &'static str,
}

/// Of `curve_clients`, where there is no CURVE.
pub const CLIENTS_WITHOUT_KEY: &str =
    "who connects has no key that could be on that list: give --curve-secret-key-file, too, or do without";

/// Of `allow_plaintext`, where there is.
pub const PLAINTEXT_WITH_KEY: &str =
    "with --curve-secret-key-file nobody connects in the clear: do without one of the two";

/// Of `allow_network`, where all endpoints are files.
pub const NETWORKS_WITHOUT_TCP: &str = "who connects by ipc:// comes from no network: do without; who may is up to the folder that the socket lies in";

/// What to say of those of a table that were set, and do nothing: once for each row.
pub fn idle_faults<S>(settings: &S, given: &Given, table: &[Idle<S>]) -> Vec<Failure> {
    let faults = idle(settings, given, table, |setting| !setting.may_be_for_another());
    faults.map(|(named, why)| Failure::usage(format!("{named}: {why}"))).collect()
}

/// The same of those that come from a variable that is the other program's, too: they keep nobody from starting.
pub fn idle_warnings<S>(settings: &S, given: &Given, table: &[Idle<S>]) -> Vec<String> {
    let warnings = idle(settings, given, table, GivenSetting::may_be_for_another);
    warnings.map(|(named, why)| format!("{named} does nothing for this program: {why}")).collect()
}

/// Each with the first reason.
fn idle<S>(
    settings: &S,
    given: &Given,
    table: &[Idle<S>],
    are_meant: fn(&GivenSetting) -> bool,
) -> impl Iterator<Item = (String, &'static str)> {
    let mut said = Vec::new();
    table.iter().filter(|row| (row.when)(settings)).filter_map(move |row| {
        let new: Vec<_> = row.settings.iter().filter(|key| !said.contains(*key)).collect();
        said.extend(new.iter().copied());
        let set = new.into_iter().filter_map(|key| given.get(key)).filter(|setting| are_meant(setting));
        let named: Vec<_> = set.map(ToString::to_string).collect();
        (!named.is_empty()).then(|| (named.join(", "), row.why))
    })
}
