//! The view: what happens, as lines that a person enjoys reading; on a terminal with a line of how things stand.

mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{IsTerminal as _, Write as _};

use host::system_clock::boot;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::{Decision, Effect, Verdict};
use owo_colors::{OwoColorize as _, Stream, Style};

use super::news::{News, Outlet};

/// Where the text of a line begins.
const INDENT: usize = 19;

/// Shows news until they end.
pub(super) struct View {
    /// Boot time at which the view began.
    began: i64,
    /// The line of how things stand; none where standard output is no terminal.
    bar: Option<ProgressBar>,
    states: BTreeMap<&'static str, String>,
    tally: Tally,
    all: bool,
    /// Standard output was closed: nobody looks any more.
    gone: bool,
}

/// What the demo came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    messages: u64,
    verdicts: BTreeMap<&'static str, u64>,
    commands: u64,
    notifications: u64,
    missed: u64,
}

impl View {
    pub(super) fn new(all: bool) -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{wide_msg}").expect("our own templates are valid");
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout()).with_style(style)
        });
        Self { began: boot(), bar, states: BTreeMap::new(), tally: Tally::default(), all, gone: false }
    }

    pub(super) async fn watch(mut self, mut outlet: Outlet) -> Tally {
        while let Some(news) = outlet.news.recv().await {
            if matches!(news, News::End) {
                break;
            }
            self.show(news);
            if self.gone {
                break;
            }
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.tally.missed = outlet.missed();
        self.tally
    }

    fn show(&mut self, news: News) {
        match news {
            News::Message { place, note } => {
                self.tally.messages += 1;
                if let Some(note) = note {
                    self.line("event", Style::new().cyan(), &format!("{} {note}", name(place)));
                }
            }
            News::Decision(decision) => self.decision(&decision),
            News::Log { deployment, message } => {
                self.line("log", Style::new().dimmed(), &format!("{} {message}", name(&deployment)));
            }
            News::Command { place, does } => {
                self.tally.commands += 1;
                self.line("effect", Style::new().magenta(), &format!("{} {does}", name(place)));
            }
            News::Notification { group, title, body } => {
                self.tally.notifications += 1;
                let text = format!("{} reads: {}: {body}", name(&group), paint(&title, Style::new().bold()));
                self.line("effect", Style::new().magenta(), &text);
            }
            News::State { place, state } => self.state(place, state),
            News::End => {}
        }
    }

    fn decision(&mut self, decision: &Decision) {
        *self.tally.verdicts.entry(decision.verdict.word()).or_default() += 1;
        if !self.all && !is_notable(decision) {
            return;
        }
        let style = verdict_style(decision.verdict);
        let reason = decision.reason.as_deref();
        let verdict = reason.map_or_else(
            || decision.verdict.word().to_owned(),
            |reason| format!("{}: {reason}", decision.verdict.word()),
        );
        let text = format!("{} {}  {}", name(&decision.deployment), words::what(decision), paint(&verdict, style));
        self.line("decision", style, &text);
        if let Some(because) = &decision.because {
            let text = format!("{:INDENT$}because {because}", "");
            self.print(&paint(&text, Style::new().dimmed()));
        }
    }

    fn state(&mut self, place: &'static str, state: String) {
        self.states.insert(place, state);
        if let Some(bar) = &self.bar {
            let states: Vec<_> = self.states.iter().map(|(place, state)| format!("{place}: {state}")).collect();
            let decisions: u64 = self.tally.verdicts.values().sum();
            bar.set_message(format!(
                "{}  |  {} messages, {decisions} decisions",
                states.join("  |  "),
                self.tally.messages
            ));
        }
    }

    fn line(&mut self, kind: &str, style: Style, text: &str) {
        let seconds = (boot() - self.began) / 1_000_000;
        let time = format!("{:3}:{:02}", seconds / 60, seconds % 60);
        let kind = format!("{kind:<10}");
        self.print(&format!("{}  {} {text}", paint(&time, Style::new().dimmed()), paint(&kind, style)));
    }

    fn print(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.gone = writeln!(std::io::stdout(), "{line}").is_err(),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decisions: u64 = self.verdicts.values().sum();
        write!(f, "\n{} messages from devices, {decisions} decisions", self.messages)?;
        for (index, (verdict, count)) in self.verdicts.iter().enumerate() {
            write!(f, "{}{count} {verdict}", if index == 0 { " (" } else { ", " })?;
        }
        if !self.verdicts.is_empty() {
            f.write_str(")")?;
        }
        write!(f, ", {} commands and {} messages to people arrived", self.commands, self.notifications)?;
        if self.missed > 0 {
            write!(f, "; the view missed {} lines", self.missed)?;
        }
        Ok(())
    }
}

/// Whether a person wants to see it: what could reach the world, and whatever went wrong. Timers are how rules think.
fn is_notable(decision: &Decision) -> bool {
    match decision.effect.as_ref().map(|record| &record.effect) {
        Some(Effect::SetTimer(_) | Effect::CancelTimer(_)) => decision.verdict != Verdict::Allowed,
        Some(_) => true,
        None => decision.verdict != Verdict::Nothing,
    }
}

fn verdict_style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Allowed => Style::new().green(),
        Verdict::Deferred => Style::new().yellow(),
        Verdict::Refused => Style::new().red(),
        Verdict::Failed => Style::new().red().bold(),
        Verdict::Nothing => Style::new().dimmed(),
    }
}

/// A name in a column of its own.
fn name(name: &str) -> String {
    paint(&format!("{name:<18}"), Style::new().bold())
}

/// In colour where the terminal has any and nobody asked for none.
fn paint(text: &str, style: Style) -> String {
    text.if_supports_color(Stream::Stdout, |text| text.style(style)).to_string()
}
