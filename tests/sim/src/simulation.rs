//! The simulation: one world, many lives of the host, and what goes wrong between any two of their steps.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::Accounts;
use model::Span;
use store::{FILE_NAME, Step};
use tempfile::TempDir;

use crate::broker::{Broker, Habits};
use crate::chance::Chance;
use crate::evidence::{Evidence, Seen};
use crate::gate::Verdict;
use crate::life::{Life, Surroundings};
use crate::plan::{Faults, Plan};
use crate::sinks::{Beyond, Temper};
use crate::world::World;

/// Turns that may wait for the store: its queue never fills, so that nobody waits for a writer that is held.
const TURNS_OUTSTANDING: u64 = 3;
/// Inputs of one turn at most, for the same reason.
const INPUTS_MAX: u64 = 64;
/// How long after the last fault everything must be done: some of the longest waits between tries.
const QUIET_WITHIN: Span = Span::from_hours(2);

/// What a deliberately broken run does, to show that a checker notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The broker takes every message for acknowledged as soon as it was sent.
    AcknowledgedTooEarly,
    /// The broker does not say that it sends a message again.
    SilentAboutRedelivery,
    /// The broker changes the order of what one device says.
    MessagesSwapped,
    /// The outbox is read the wrong way round after a start.
    OutboxReversed,
    /// No sink ever takes anything.
    SinksClosed,
    /// Sinks say that they have taken some effects, and have not.
    SinksForgetful,
    /// A second hand changes the database between two lives.
    Sql(&'static str),
}

/// Runs a plan to its end.
///
/// # Panics
/// When the product or the simulator itself does.
#[must_use]
pub fn run(plan: &Plan, sabotage: Option<Sabotage>) -> Evidence {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread can be made");
    runtime.block_on(async {
        // Virtual time moves in milliseconds: from its first tick on, every run stands at the same place between two.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Simulation::new(plan, sabotage).run().await
    })
}

struct Simulation<'a> {
    plan: &'a Plan,
    sabotage: Option<Sabotage>,
    world: World,
    broker: Arc<Broker>,
    beyond: Arc<Beyond>,
    chance: Chance,
    /// None from the moment at which faults have stopped.
    faults: Option<Faults>,
    /// What the devices have said so far.
    spoken: usize,
    said: BTreeSet<u64>,
    files: Files,
    /// The host, while it lives.
    life: Option<Life>,
    /// Where the store's writer is held; none while it waits for work.
    writer: Option<Step>,
    lives: u64,
    imbalances: Vec<String>,
}

/// The folder of the present life, in one that goes away with the run.
struct Files {
    root: TempDir,
    number: u64,
}

impl<'a> Simulation<'a> {
    fn new(plan: &'a Plan, sabotage: Option<Sabotage>) -> Self {
        let habits = Habits {
            careless: sabotage == Some(Sabotage::AcknowledgedTooEarly),
            silent_about_redelivery: sabotage == Some(Sabotage::SilentAboutRedelivery),
            overtaking: sabotage == Some(Sabotage::MessagesSwapped),
        };
        let temper = match sabotage {
            Some(Sabotage::SinksClosed) => Temper::Closed,
            Some(Sabotage::SinksForgetful) => Temper::Forgetful,
            _ => Temper::Honest,
        };
        Self {
            plan,
            sabotage,
            world: World::of(plan),
            broker: Broker::new(plan, habits),
            beyond: Beyond::new(plan, temper),
            chance: Chance::new(plan.seed ^ 0x6661_756c_7473),
            faults: Some(plan.faults),
            spoken: 0,
            said: BTreeSet::new(),
            files: Files::new(),
            life: None,
            writer: None,
            lives: 0,
            imbalances: Vec::new(),
        }
    }

    async fn run(mut self) -> Evidence {
        self.begin();
        while self.spoken < self.world.script.len() {
            self.step(1, 400).await;
        }
        self.faults = None;
        self.beyond.calm_down();
        let last_fault = self.beyond.elapsed();
        let mut quiet_after = None;
        while quiet_after.is_none() && self.beyond.elapsed().0 < last_fault.0 + QUIET_WITHIN.0 {
            self.step(100, 2_000).await;
            if self.is_quiet() {
                quiet_after = Some(Span(self.beyond.elapsed().0 - last_fault.0));
            }
        }
        self.finish(quiet_after)
    }

    /// Lets some time pass, and everything do one thing.
    async fn step(&mut self, shortest_ms: u64, longest_ms: u64) {
        let wait = self.chance.between(shortest_ms, longest_ms);
        // Returns when every task waits for something: then nothing happens but what happens here.
        tokio::time::sleep(Duration::from_millis(wait)).await;
        self.speak();
        self.broker.tick();
        self.disturb();
        if self.life.is_none() {
            if self.chance.per_mille(50) || self.faults.is_none() {
                self.begin();
            }
            return;
        }
        self.write();
        if self.crashes() {
            return;
        }
        self.turn();
        let _ = self.crashes();
    }

    /// Devices and lamps say what they have to say by now.
    fn speak(&mut self) {
        let now = self.beyond.elapsed();
        while let Some(said) = self.world.script.get(self.spoken).filter(|said| said.after <= now) {
            self.said.insert(said.message.number);
            self.broker.publish(said.message.clone());
            self.spoken += 1;
        }
        for message in self.beyond.echoes() {
            self.said.insert(message.number);
            self.broker.publish(message);
        }
    }

    /// What goes wrong outside of the host.
    fn disturb(&mut self) {
        let Some(faults) = self.faults else { return };
        if self.chance.per_mille(faults.cuts) {
            self.broker.cut();
        }
        if self.chance.per_mille(faults.silences) {
            self.broker.fall_silent();
        }
        if self.chance.per_mille(faults.clock_steps) {
            let by = i64::try_from(self.chance.below(3_600_000_000)).expect("an hour");
            let back = self.chance.per_mille(500);
            self.beyond.step_wall(if back { -by } else { by });
        }
    }

    /// Lets the store's writer go on by some steps, or fail at one.
    fn write(&mut self) {
        let Some(life) = &self.life else { return };
        let faults = self.faults.unwrap_or_default();
        while let Some(step) = self.writer {
            if self.chance.per_mille(faults.late_commits) {
                return;
            }
            let fails = self.chance.per_mille(faults.failing_commits);
            life.gate.let_go(if fails { Verdict::Fail } else { Verdict::Go });
            let idle = step == Step::Told && life.outstanding() == 0;
            self.writer = (!idle).then(|| life.gate.parked());
        }
    }

    fn turn(&mut self) {
        let inputs = self.chance.between(1, INPUTS_MAX);
        let Some(life) = &mut self.life else { return };
        if life.outstanding() >= TURNS_OUTSTANDING {
            return;
        }
        life.turn(usize::try_from(inputs).expect("a small number"));
        if self.writer.is_none() && life.outstanding() > 0 {
            self.writer = Some(life.gate.parked());
        }
        self.imbalances.extend(life.pipeline.engine.accounts().imbalance());
    }

    fn begin(&mut self) {
        let around = Surroundings {
            plan: self.plan,
            world: &self.world,
            broker: &self.broker,
            beyond: &self.beyond,
            reversed: self.sabotage == Some(Sabotage::OutboxReversed),
        };
        self.life = Some(Life::begin(&self.files.folder(), &around));
        self.lives += 1;
    }

    /// Whether the process ends here; if so, what it had not committed is gone.
    fn crashes(&mut self) -> bool {
        let crashes = self.faults.is_some_and(|faults| self.chance.per_mille(faults.crashes));
        let Some(life) = self.life.take_if(|_| crashes) else { return false };
        let crashed = self.files.copy();
        life.end();
        self.files.move_to(crashed);
        self.writer = None;
        self.broker.cut();
        if let Some(Sabotage::Sql(sql)) = self.sabotage {
            self.files.tamper(sql);
        }
        true
    }

    /// Whether everything that was said is done and everything that was decided has arrived.
    fn is_quiet(&self) -> bool {
        let Some(life) = &self.life else { return false };
        let accounts: Accounts = life.pipeline.engine.accounts();
        self.broker.open() == 0
            && !self.beyond.has_echoes()
            && life.outstanding() == 0
            && (accounts.pending, accounts.waiting) == (0, 0)
            && life.pipeline.engine.timers() == 0
    }

    fn finish(mut self, quiet_after: Option<Span>) -> Evidence {
        // Whatever the store was given is written, so that the evidence is whole.
        self.write();
        let life = self.life.take().expect("a host lives at the end");
        let seen = Seen {
            plan: self.plan.clone(),
            said: self.said,
            acknowledged: self.broker.acknowledged(),
            delivered: self.beyond.delivered(),
            accounts: life.pipeline.engine.accounts(),
            imbalances: self.imbalances,
            quiet_after,
            lives: self.lives,
        };
        let mut evidence = Evidence::read(&life.reader, seen).expect("a store that runs can be read");
        life.end();
        let options = store::Options { partitions: self.plan.partitions, ..store::Options::default() };
        let store = store::Store::open(&self.files.folder(), &options).expect("a store that ended opens again");
        evidence.alive = store.alive().expect("a store that ended can be read");
        evidence
    }
}

impl Files {
    fn new() -> Self {
        // In memory where the system has such a place: what a crash leaves is copied, no disk is needed for it.
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { root: root.expect("a temporary folder"), number: 0 }
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join(self.number.to_string())
    }

    /// What a crash at this moment leaves: the database and its log, nothing that is in memory only.
    fn copy(&self) -> u64 {
        let (from, to) = (self.folder(), self.root.path().join((self.number + 1).to_string()));
        fs::create_dir(&to).expect("creates a folder");
        for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal")] {
            if from.join(&name).exists() {
                fs::copy(from.join(&name), to.join(&name)).expect("copies the store's files");
            }
        }
        self.number + 1
    }

    fn move_to(&mut self, number: u64) {
        fs::remove_dir_all(self.folder()).expect("removes what the crash has taken");
        self.number = number;
    }

    fn tamper(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.folder().join(FILE_NAME)).expect("opens");
        connection.execute_batch(sql).expect("the statement runs");
    }
}
