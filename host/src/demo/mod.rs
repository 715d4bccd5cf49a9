//! The demo: a host in a temporary folder, a simulated home, wearable and truck that speak MQTT to it, and a live view.

mod chance;
mod home;
mod link;
mod machine;
mod news;
mod stage;
#[cfg(test)]
mod tests;
mod truck;
mod view;
mod wearable;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use engine::Turn;
use model::Span;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::app::{App, Observer};
use crate::cli::output;
use crate::installation::Installation;
use link::Link;
use machine::{Machine, TICK};
use news::{Desk, News};
pub(crate) use stage::MissingPackage;
use stage::Stage;
use view::{Tally, View};

/// Threads for the network of host and devices.
const WORKERS: usize = 2;
/// Devices keep quiet for this long at first: the host counts no hold before its sources have been quiet.
const SETTLE: Duration = Duration::from_millis(1_500);

/// What to play.
pub(crate) struct Options {
    /// Folders that may hold the example rules' packages; the first that has them all does.
    pub(crate) places: Vec<PathBuf>,
    /// Without one it goes on until it is told to stop.
    pub(crate) duration: Option<Span>,
    /// The same number gives the same readings.
    pub(crate) seed: u64,
    /// Also show timers and evaluations without an effect.
    pub(crate) all: bool,
}

/// Plays the demo and takes everything away afterwards.
///
/// # Errors
/// [`MissingPackage`]; whatever keeps a host from running.
pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let ending = {
        let _inside = runtime.enter();
        Ending::prepare().context("failed to listen for signals")?
    };
    let stage = Stage::set(&options.places)?;
    let installation = Installation::read(config::Host::load(&stage.config())?)?;
    let tally = runtime.block_on(play(installation, options, ending))?;
    drop(runtime);
    stage.strike()?;
    output::say(format_args!("{tally}\nnothing is left of it"));
    Ok(())
}

async fn play(installation: Installation, options: &Options, ending: Ending) -> Result<Tally> {
    let (desk, news) = Desk::new();
    let app = App::build(installation, Some(observer(desk.clone()))).await?;
    let broker = app.broker().context("the demo's host has no broker")?;
    output::say(format_args!("broker   mqtt://{broker}"));
    if let Some(api) = app.api() {
        output::say(format_args!("api      http://{api}/v1/devices"));
    }
    output::say("a home, a wearable and a truck; minutes are seconds here; stop with Ctrl-C\n");
    let mut view = tokio::spawn(View::new(options.all).watch(news));
    let mut seen = None;
    let mut devices = open(broker, options.seed, &desk).await?;
    app.run(async {
        tokio::select! {
            // All only signal; nothing is lost when the others are dropped.
            () = ending.wait(options.duration) => {}
            // Nobody looks any more: standard output was closed.
            ended = &mut view => seen = Some(ended),
        }
        // Before the host, or they would see their broker go.
        devices.shutdown().await;
    })
    .await?;
    let seen = match seen {
        Some(ended) => ended,
        None => {
            desk.end().await;
            view.await
        }
    };
    seen.context("the view ended early")
}

/// What ends the demo from outside. Made before anything that must be taken away: from then on a signal waits here.
struct Ending {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ending {
    fn prepare() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until the time is up, or somebody ends the demo or closes its terminal.
    async fn wait(mut self, duration: Option<Span>) {
        let up = async {
            match duration {
                Some(span) => tokio::time::sleep(Duration::from_micros(span.0)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // All only signal; nothing is lost when the others are dropped.
            () = up => {}
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Connects devices and people, and lets them begin.
async fn open(broker: SocketAddr, seed: u64, desk: &Desk) -> Result<JoinSet<()>> {
    let machines: [Box<dyn Machine>; 3] =
        [Box::new(home::Home::new(seed)), Box::new(wearable::Wearable::new(seed)), Box::new(truck::Truck::new(seed))];
    let mut devices = JoinSet::new();
    let people = Link::open("people", broker, &["notifications"]).await?;
    devices.spawn(read_notifications(people, desk.clone()));
    for machine in machines {
        let link = Link::open(machine.name(), broker, machine.hears()).await?;
        devices.spawn(live(machine, link, desk.clone()));
    }
    Ok(devices)
}

/// One machine: time passes, and commands come.
async fn live(mut machine: Box<dyn Machine>, mut link: Link, desk: Desk) {
    tokio::time::sleep(SETTLE).await;
    let mut ticks = tokio::time::interval(TICK);
    let place = machine.name();
    let mut reports = Vec::new();
    loop {
        tokio::select! {
            // A tick that is not taken comes again; a message that is not taken stays in its channel.
            _ = ticks.tick() => machine.step(&mut reports),
            heard = link.heard() => {
                let Some(heard) = heard else { return };
                let does = machine.told(&heard.topic, &heard.json(), &mut reports);
                desk.tell(News::Command { place, does });
            }
        }
        for report in reports.drain(..) {
            link.say(report.topic, &report.payload).await;
            desk.tell(News::Message { place, note: report.note });
        }
        desk.tell(News::State { place, state: machine.state() });
    }
}

async fn read_notifications(mut link: Link, desk: Desk) {
    while let Some(heard) = link.heard().await {
        let json = heard.json();
        let text = |name: &str| json["data"][name].as_str().unwrap_or_default().to_owned();
        desk.tell(News::Notification { group: text("group"), title: text("title"), body: text("body") });
    }
}

/// Tells of every committed turn; never waits, for the store's thread must not.
fn observer(desk: Desk) -> Observer {
    Arc::new(move |turn: &Turn| {
        for decision in &turn.decisions {
            desk.tell(News::Decision(Box::new(decision.clone())));
        }
        for line in &turn.logs {
            desk.tell(News::Log { deployment: line.deployment.clone(), message: line.message.clone() });
        }
    })
}
