//! The plan: what a run is. It follows from the seed alone; a scenario writes it out and may change any of it.

use serde::{Deserialize, Serialize};

use crate::chance::Chance;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    pub seed: u64,
    pub partitions: u16,
    pub sites: u32,
    /// Sensors of each site.
    pub sensors: u32,
    /// Messages of all sensors.
    pub messages: u32,
    /// Seconds over which they are sent.
    pub seconds: u64,
    /// Packet identifiers of the broker, so that they are used again soon.
    pub packets: u16,
    /// Messages that the broker sends without an acknowledgement.
    pub window: u16,
    pub faults: Faults,
}

/// How often what goes wrong: times in a thousand steps, unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Faults {
    /// The process ends between two steps.
    pub crashes: u32,
    /// A commit reports a failure, before or after it is on disk.
    pub failing_commits: u32,
    /// The store makes no step.
    pub late_commits: u32,
    /// The connection to the broker ends; acknowledgements on their way are lost.
    pub cuts: u32,
    /// The connection lives and nothing comes over it.
    pub silences: u32,
    /// The wall clock is set, up to an hour in either direction.
    pub clock_steps: u32,
    /// Attempts in a thousand that a sink fails, answers late, or takes twice.
    pub sinks: u32,
    /// Devices in a thousand commands that do not report what they were asked.
    pub mute_devices: u32,
    /// Events in a thousand at which the flaky rule traps or exceeds a limit. The same events each time: they belong to
    /// the world.
    pub traps: u32,
    /// Events in a thousand that it cannot handle at once.
    pub passing_failures: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self::of(0)
    }
}

impl Plan {
    /// The run of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x706f_696e_7473_6d61);
        let small = |end: u64, chance: &mut Chance| u32::try_from(chance.below(end)).expect("below a few hundred");
        // Every kind of fault is left out by some seeds, so that each is also seen alone.
        let mut rate = |most: u64| if chance.per_mille(250) { 0 } else { small(most, &mut chance) };
        let faults = Faults {
            crashes: rate(12),
            failing_commits: rate(120),
            late_commits: rate(600),
            cuts: rate(25),
            silences: rate(4),
            clock_steps: rate(6),
            sinks: rate(300),
            mute_devices: rate(300),
            traps: rate(40),
            passing_failures: rate(60),
        };
        Self {
            seed,
            partitions: if chance.per_mille(500) { 1 } else { 4 },
            sites: small(3, &mut chance) + 1,
            sensors: small(4, &mut chance) + 1,
            messages: small(300, &mut chance) + 100,
            seconds: chance.between(60, 400),
            packets: u16::try_from(chance.between(24, 200)).expect("small"),
            window: u16::try_from(chance.between(1, 20)).expect("small"),
            faults,
        }
    }

    /// The same world without any fault of what lies between it and the rules.
    #[must_use]
    pub fn calm(&self) -> Self {
        let Faults { traps, passing_failures, .. } = self.faults;
        Self { faults: Faults { traps, passing_failures, ..Faults::default() }, ..self.clone() }
    }
}
