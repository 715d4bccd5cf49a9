//! The known answers: instants by a sentence that names recording and rule.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use model::{Instant, Phase};

use crate::recordings::Recording;

/// One known answer and the trigger of our rule that must give it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// Its name in the file of known answers.
    pub(crate) known: &'static str,
    pub(crate) trigger: &'static str,
    pub(crate) phase: Phase,
}

impl Answer {
    pub(crate) const fn began(known: &'static str, trigger: &'static str) -> Self {
        Self { known, trigger, phase: Phase::Began }
    }

    pub(crate) const fn ended(known: &'static str, trigger: &'static str) -> Self {
        Self { known, trigger, phase: Phase::Ended }
    }
}

/// A condition of ours that began or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fired {
    pub(crate) device: String,
    pub(crate) trigger: String,
    pub(crate) phase: Phase,
    /// The event's own time: the deadline of a condition that has one.
    pub(crate) at: Instant,
}

#[derive(Debug)]
pub(crate) struct KnownAnswers(BTreeMap<String, Vec<Instant>>);

impl KnownAnswers {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
        let answers: BTreeMap<String, Vec<Instant>> =
            serde_json::from_str(&text).with_context(|| format!("failed to understand {}", file.display()))?;
        Ok(Self(answers))
    }

    /// The instants of one answer, in order.
    pub(crate) fn of(&self, answer: &Answer) -> Vec<Instant> {
        let mut instants = self.0.get(answer.known).cloned().unwrap_or_default();
        instants.sort_unstable();
        instants
    }

    /// Every answer of the file belongs to a trigger here, and every trigger to an answer there.
    pub(crate) fn check_all_are_asked(&self, recordings: &[Recording]) -> Result<()> {
        let there: BTreeSet<&str> = self.0.keys().map(String::as_str).collect();
        let here: BTreeSet<&str> = recordings.iter().flat_map(|r| r.answers).map(|answer| answer.known).collect();
        if let Some(unasked) = there.difference(&here).next() {
            bail!("the known answer `{unasked}` has no rule here");
        }
        if let Some(unknown) = here.difference(&there).next() {
            bail!("there is no known answer `{unknown}`");
        }
        Ok(())
    }
}

/// The word of a phase in decisions and messages.
pub(crate) fn phase(word: &str) -> Result<Phase> {
    match word {
        "began" => Ok(Phase::Began),
        "ended" => Ok(Phase::Ended),
        other => bail!("`{other}` is no phase"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recordings::ALL;

    fn named(names: impl Iterator<Item = &'static str>) -> KnownAnswers {
        KnownAnswers(names.map(|name| (name.to_owned(), Vec::new())).collect())
    }

    fn asked() -> impl Iterator<Item = &'static str> {
        ALL.iter().flat_map(|recording| recording.answers).map(|answer| answer.known)
    }

    #[test]
    fn an_answer_without_a_rule_and_a_rule_without_an_answer_are_errors() {
        assert!(named(asked()).check_all_are_asked(&ALL).is_ok());
        assert!(named(asked().skip(1)).check_all_are_asked(&ALL).is_err());
        assert!(named(asked().chain(["another"])).check_all_are_asked(&ALL).is_err());
    }
}
