//! Every limit of the engine, with its reason. `doctor` shows all of them; each has a test at the limit and one past it.

use crate::Span;

/// One limit as `doctor` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Kebab-case.
    pub name: String,
    pub value: String,
    /// Of the value; durations carry their own, and what is merely counted has none.
    pub unit: &'static str,
    pub reason: String,
}

/// A type of limits, in words.
trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown {
    ($($of:ty),+) => { $(impl Shown for $of { fn shown(&self) -> String { self.to_string() } })+ };
}
shown!(u8, u16, u32, u64, usize, i64, f64, Span);

/// Makes each constant, and with it a line of the table.
macro_rules! limits {
    ($($(#[doc = $reason:literal])+ pub const $name:ident: $of:ty = $value:expr;)+) => {
        $($(#[doc = $reason])+ pub const $name: $of = $value;)+

        /// Every limit, in the order of this file.
        #[must_use]
        pub fn all() -> Vec<Limit> {
            vec![$(Limit {
                name: stringify!($name).to_lowercase().replace('_', "-"),
                value: $name.shown(),
                unit: unit(stringify!($name)),
                reason: [$($reason.trim()),+].join(" "),
            }),+]
        }
    };
}

/// What a limit's name says of its unit.
fn unit(name: &str) -> &'static str {
    match name {
        "INSTANCE_MEMORY" | "WRITES_PER_EVENT" | "LOG_PER_EVENT" => "bytes",
        "BUDGET_SECONDS" => "seconds",
        "ZONE_METRES" => "metres",
        _ if name.contains("BYTES") && !name.contains("FUEL") => "bytes",
        _ if name.contains("FUEL") => "fuel",
        _ => "",
    }
}

limits! {
/// Largest payload of one message or request item. Device payloads are a few hundred bytes; this leaves room for a
/// gateway's batch and keeps a flood of the largest ones within a turn.
pub const PAYLOAD_BYTES: usize = 256 * 1024;
/// Deepest nesting of a JSON payload: what the JSON parser allows without exhausting a thread's stack.
pub const JSON_DEPTH: usize = 128;
/// Readings of one event: a LoRaWAN or OBD frame has under forty.
pub const READINGS_PER_EVENT: usize = 64;
/// Different capability names of one process: they are kept for its life.
pub const CAPABILITIES: usize = 4_096;

/// A turn closes at this many inputs: past it a commit's cost per event no longer falls.
pub const TURN_INPUTS: usize = 256;
/// A turn closes at this many bytes of inputs, so that one commit stays under a WAL checkpoint's worth.
pub const TURN_BYTES: usize = 512 * 1024;
/// A turn closes when its rules have burnt this much fuel: about 50 ms on a small ARM board.
pub const TURN_FUEL: u64 = 200_000_000;

/// Fuel of one event: a thousand times what a typical rule takes, 5 ms on a server.
pub const FUEL_PER_EVENT: u64 = 20_000_000;
/// Fuel that each host call costs besides what the guest burns, so that a tight loop of them ends too.
pub const HOST_CALL_FUEL: u64 = 200;
/// Fuel for each byte that a host call carries either way.
pub const HOST_CALL_FUEL_PER_BYTE: u64 = 1;
/// Linear memory of one instance: enough for Python and QuickJS, not for StarlingMonkey, whose rules raise it.
pub const INSTANCE_MEMORY: usize = 64 * 1024 * 1024;
/// Table elements of one instance: Python guests need about 8 000.
pub const INSTANCE_TABLE: usize = 100_000;
/// Bytes that one host call or one answer may make the host allocate.
pub const CALL_BYTES: usize = 1024 * 1024;
/// Bytes that one event may write: state and effects together.
pub const WRITES_PER_EVENT: usize = 256 * 1024;
/// Effects of one event.
pub const EFFECTS_PER_EVENT: usize = 64;
/// Effects of one deployment and partition in a minute, unless its manifest asks for less.
pub const EFFECTS_PER_MINUTE: u32 = 6_000;
/// Commands to one target in a minute: a relay that switches more often wears out.
pub const COMMANDS_PER_TARGET_PER_MINUTE: u32 = 60;
/// Bytes of log lines of one event.
pub const LOG_PER_EVENT: usize = 16 * 1024;
/// Metric names of one rule.
pub const METRICS: usize = 32;
/// Bytes of one state value.
pub const STATE_VALUE_BYTES: usize = 64 * 1024;
/// Names in one key's state.
pub const STATE_NAMES: usize = 10_000;
/// Bytes of one state name, timer name or tag.
pub const NAME_BYTES: usize = 256;
/// Size of one package.
pub const PACKAGE_BYTES: usize = 64 * 1024 * 1024;

/// Longest chain of effects that cause effects.
pub const CAUSAL_DEPTH: u8 = 16;
/// Effects that one outside event may cause in one partition, directly and through others.
pub const EFFECTS_PER_ROOT: u32 = 256;
/// A timer due at least this long after it was set starts a new chain.
pub const TIMER_ROOT_AFTER: Span = Span::from_secs(1);

/// How much older than the device's newest event is merely out of order; older is late.
pub const LATENESS: Span = Span::from_mins(10);
/// How far ahead of the host a device's clock may be before its time is replaced.
pub const AHEAD: Span = Span::from_mins(2);
/// Outages shorter than this are a blink and cause no event.
pub const OUTAGE_MIN: Span = Span::from_secs(30);
/// Unknown time that a `held` counts where neither `stale` nor `gap-max` says otherwise.
pub const GAP_MAX: Span = Span::from_mins(5);
/// A wall clock further ahead of what the host knows is not believed: no host is away for that long unnoticed.
pub const CLOCK_AHEAD: Span = Span::from_days(30);
/// The host's clock follows a stepped wall clock by one part in this many: no hold is visibly shorter or longer, and an
/// hour is caught up within four days.
pub const CLOCK_SLEW: i64 = 100;
/// A difference between the two that is not worth a record: schedules name seconds.
pub const CLOCK_STEP: Span = Span::from_secs(1);
/// After a start the clock decides no hold before the sources have caught up, at most this long.
pub const CATCH_UP: Span = Span::from_secs(30);
/// How often the store is told that the host runs, while nothing else tells it: how much longer than it was a downtime
/// may seem after a kill. Rare, because a hub has a flash card.
pub const SIGN_OF_LIFE: Span = Span::from_mins(1);
/// Downtime that is no longer is a restart, and no unknown time for holds: as short as the outage of a device that is
/// ignored, and as much more as a downtime may seem longer than it was.
pub const RESTART: Span = Span(OUTAGE_MIN.0 + SIGN_OF_LIFE.0);
/// How late an overdue timer or schedule still fires by default.
pub const OVERDUE: Span = Span::from_hours(1);
/// Missed times of one schedule that are looked at one by one: most of a day of one that comes each minute. Those beyond
/// are counted by the calendar, as if no clock was changed meanwhile.
pub const MISSED_EACH: u32 = 1_000;
/// Corners of one zone: the outline of a site or a district; each fix looks at all of them.
pub const ZONE_CORNERS: usize = 256;
/// Largest radius and margin of a zone in metres: past it a flat map of the surroundings is no longer close enough.
pub const ZONE_METRES: f64 = 100_000.0;

/// How far before or after the sun's event a trigger may come: further it would be nearer to the event of another day.
pub const SUN_OFFSET: Span = Span::from_hours(12);
/// Longest window of a trigger, and longest idle time of a session.
pub const WINDOW_SIZE: Span = Span::from_days(31);
/// Panes of one sliding window: a day in steps of 24 minutes. Each reading writes the panes that are still open.
pub const WINDOW_PANES: u64 = 60;
/// Readings of one count window; past it somebody means a time.
pub const WINDOW_READINGS: u32 = 1_000_000;

/// Longest window of a history.
pub const HISTORY_WINDOW: Span = Span::from_days(31);
/// Buckets of a history unless the manifest says otherwise.
pub const HISTORY_BUCKETS: u16 = 60;

/// How long a source's own ids are remembered, unless `retention.duplicates` says otherwise.
pub const DUPLICATE_AGE: Span = Span::from_hours(24);
/// How many of them a partition remembers, unless `retention.duplicates` says otherwise; some 150 MB.
pub const DUPLICATES: usize = 1_000_000;
/// Plain MQTT messages of one session that a partition knows again when they are repeated: four times what this host lets
/// a broker of version 5 send without an acknowledgement, and far more than others keep in flight. Several sessions
/// share it.
pub const REDELIVERIES: usize = 8_192;
/// What each of many sessions has of it at least: devices of the embedded broker, which wait for their acknowledgements.
pub const REDELIVERIES_EACH: usize = 32;
/// Sessions of which messages are known again; of more, those that were quiet for longest are forgotten.
pub const REDELIVERING_SESSIONS: usize = 4_096;

/// Tries of an event that failed for a passing reason.
pub const TRIES: u32 = 10;
/// First wait between them; doubles.
pub const RETRY_FIRST: Span = Span::from_secs(1);
/// Longest wait between them.
pub const RETRY_LONGEST: Span = Span::from_mins(5);

/// Calls in a row that the host had to stop before a key is quarantined: one may be bad data, three are the rule.
pub const QUARANTINE_STOPS: u32 = 3;
/// Dead letters of one key within [`QUARANTINE_WITHIN`] before it is quarantined.
pub const QUARANTINE_LETTERS: usize = 5;
/// Keys of one deployment quarantined within [`QUARANTINE_WITHIN`] before the deployment is stopped in that partition:
/// then it is the rule and no longer the device.
pub const QUARANTINE_KEYS: usize = 5;
/// How long dead letters and quarantined keys count together.
pub const QUARANTINE_WITHIN: Span = Span::from_secs(60);
/// First wait before the first waiting event of somebody who is held is tried; doubles.
pub const PROBE_FIRST: Span = Span::from_secs(1);
/// Longest wait between such tries.
pub const PROBE_LONGEST: Span = Span::from_mins(10);
/// Steps of one key that wait: a sensor's minute-by-minute readings of most of a day. Past it they are dead-lettered.
pub const PENDING_PER_KEY: usize = 1_000;
/// Steps of one deployment that wait in a partition: some ten megabytes. Past it they are dead-lettered.
pub const PENDING_PER_DEPLOYMENT: usize = 10_000;
/// Waiting steps of one key that run at once before others have their turn.
pub const PENDING_AT_ONCE: usize = 256;
/// Fuel that an engine thread burns in a second of nothing but guests: see [`FUEL_PER_EVENT`] and [`TURN_FUEL`].
pub const FUEL_PER_SECOND: u64 = 4_000_000_000;
/// The time over which a deployment's share is measured, in seconds.
pub const BUDGET_SECONDS: usize = 10;
/// Fuel that one deployment may burn in that time while others wait: a tenth of the engine thread's.
pub const BUDGET_FUEL: u64 = FUEL_PER_SECOND / 10 * BUDGET_SECONDS as u64;
/// How long steps may wait for that before their deployment is held.
pub const BUDGET_PATIENCE: Span = Span::from_secs(60);
/// How long a topic that a rule published to lends its causal depth to messages that arrive there.
pub const PUBLISHED_WITHIN: Span = Span::from_secs(10);
/// Dead letters that are kept; past it the oldest are removed, counted.
pub const DEAD_LETTERS: u64 = 10_000;
/// What the cases of all dead letters may weigh together, some kilobytes each as a rule; past it the oldest letters are
/// removed, counted.
pub const DEAD_LETTER_BYTES: u64 = 64 * 1024 * 1024;
/// What one dead letter's case may weigh; one that would weigh more leaves out devices, and state where that is not enough.
pub const CASE_BYTES: usize = 1024 * 1024;
/// Devices whose twins and histories a dead letter's case holds: more than a site has. The event's own comes first.
pub const CASE_DEVICES: usize = 256;
/// The pause after so many.
pub const PENDING_PAUSE: Span = Span(10_000);

/// A command that says nothing else is not sent after this.
pub const COMMAND_EXPIRY: Span = Span::from_mins(5);
/// How long a device has to report what it was asked, unless its profile says otherwise.
pub const CONFIRM_WITHIN: Span = Span::from_secs(10);
/// How often an unconfirmed command is sent again, unless the profile says otherwise.
pub const CONFIRM_RETRIES: u8 = 0;
/// Effects that wait for one target; past it the oldest expires, counted.
pub const OUTBOX_PER_TARGET: usize = 1_000;
/// Effects that wait for all targets together, some 40 MB; past it the oldest expires, counted.
pub const OUTBOX: usize = 65_536;
/// How long a command or a published message may wait for its target: what was meant for yesterday may do harm today.
pub const OUTBOX_AGE: Span = Span::from_hours(24);
/// How long a notification may wait that names no end itself: longer than the waits of a webhook, 75 h with up to a
/// tenth more, so that a receiver that is repaired after a weekend still hears of it.
pub const NOTIFICATION_AGE: Span = Span::from_days(4);

/// How far ahead a rule may plan a notification: longer than any shift plan, short enough that none waits for ever.
pub const NOT_BEFORE: Span = Span::from_days(31);
/// How long two notifications with the same key are one: as long as a source's own ids are remembered.
pub const DEDUPE_WITHIN: Span = Span::from_hours(24);
/// Keys of notifications that a partition remembers, some ten megabytes; past it the oldest is forgotten.
pub const DEDUPE_KEYS: usize = 65_536;

/// Records after which a partition's state is kept as a checkpoint: a replay from there takes some seconds.
pub const CHECKPOINT_RECORDS: u64 = 100_000;

/// How far apart two decisions may be in a backtest and still be one that moved, unless asked otherwise: a hold or a
/// limit that was tuned moves an alarm by minutes, and the same alarm an hour later is another one.
pub const BACKTEST_WINDOW: Span = Span::from_hours(1);

/// Records that `why` searches backwards for a cause: about a day of a busy site.
pub const WHY_SEARCHED: u64 = 100_000;
/// Records before a step among whose decisions its emission or its effect is looked for: those of one instant are near.
pub const WHY_EMITTED: u64 = 1_000;
/// Steps that `why` follows one chain back through: the causal limit, and some timers.
pub const WHY_STEPS: usize = 32;
/// How long after its decision `why` looks for the end of an effect: longer than a command lives.
pub const WHY_FOLLOWED: Span = Span::from_hours(1);
/// Records after a decision among which `why` looks for what sinks answered, where the effect has not ended.
pub const WHY_SETTLED: u64 = 20_000;
/// Effects that `why` names where the beginning of an id means several.
pub const WHY_NAMED: usize = 5;
/// Reports of a device that `why` shows, the newest last.
pub const WHY_REPORTS: usize = 5;

/// Partitions of a new installation; fixed once it exists.
pub const PARTITIONS: u16 = 16;
}

const _: () = {
    assert!(WHY_STEPS > CAUSAL_DEPTH as usize, "the longest chain must be told whole");
    assert!(PAYLOAD_BYTES <= TURN_BYTES, "a turn must have room for the largest payload");
    assert!(PAYLOAD_BYTES < CASE_BYTES, "a case must have room for the largest event");
    assert!(STATE_VALUE_BYTES <= WRITES_PER_EVENT, "an event must be able to write the largest value");
    assert!(FUEL_PER_EVENT <= TURN_FUEL, "a turn must have fuel for one event");
    assert!(WRITES_PER_EVENT <= CALL_BYTES, "an answer must be able to hold all that an event may write");
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_of_this_file_is_shown_with_its_reason() {
        let source = include_str!("limits.rs");
        let declared = source.lines().filter_map(|line| line.strip_prefix("pub const "));
        let declared: Vec<_> = declared.filter_map(|rest| Some(rest.split_once(':')?.0)).collect();
        let shown: Vec<_> = all().into_iter().map(|limit| limit.name.to_uppercase().replace('-', "_")).collect();
        assert_eq!(shown, declared);
        assert!(all().iter().all(|limit| limit.reason.ends_with('.') && !limit.value.is_empty()));
    }

    #[test]
    fn units_follow_from_names() {
        let of = |name: &str| all().into_iter().find(|limit| limit.name == name).map(|limit| (limit.value, limit.unit));
        assert_eq!(of("payload-bytes"), Some(("262144".to_owned(), "bytes")));
        assert_eq!(of("instance-memory"), Some(("67108864".to_owned(), "bytes")));
        assert_eq!(of("turn-fuel"), Some(("200000000".to_owned(), "fuel")));
        assert_eq!(of("host-call-fuel-per-byte"), Some(("1".to_owned(), "fuel")));
        assert_eq!(of("zone-metres"), Some(("100000".to_owned(), "metres")));
        assert_eq!(of("turn-inputs"), Some(("256".to_owned(), "")));
        assert_eq!(of("duplicate-age").map(|(value, _)| value), Some(DUPLICATE_AGE.to_string()));
    }
}
