//! What a backtest cannot know: the stream is that of the world as it was.

use std::collections::BTreeSet;

use model::Name;

use crate::difference::Difference;
use crate::side::Side;

/// Names that one sentence lists before it only counts.
const NAMED: usize = 5;

pub(crate) fn unknown(old: &Side, new: &Side, differences: &[Difference]) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(answers(old, new, differences));
    let of_kind = |kind: &str| differences.iter().filter(|difference| &*difference.kind == kind).count();
    if of_kind("command") > 0 {
        found.push(
            "What the other commands would have changed in the world: readings are those of what was really done."
                .to_owned(),
        );
    }
    if of_kind("notification") > 0 {
        found.push(format!(
            "What people would have done about {} that they got otherwise, or not at all.",
            plural(of_kind("notification"), "notification")
        ));
    }
    let topics: BTreeSet<&Name> = old.published.keys().chain(new.published.keys()).collect();
    let other: Vec<String> = topics
        .into_iter()
        .filter(|topic| old.published.get(*topic) != new.published.get(*topic))
        .map(|topic| format!("`{topic}`"))
        .collect();
    if !other.is_empty() {
        found.push(format!("Who listens to {}, and what they would have answered.", listed(&other)));
    }
    if old.assumed + new.assumed > 0 {
        found.push(format!(
            "Whether every sink would have taken what it was sent: {} of the old run and {} of the new one have no recorded result and count as accepted at once.",
            plural(usize::try_from(old.assumed).unwrap_or(usize::MAX), "effect"),
            new.assumed
        ));
    }
    found
}

/// Commands whose confirmation hangs on a report that the stream may not hold.
fn answers(old: &Side, new: &Side, differences: &[Difference]) -> Vec<String> {
    let differs =
        |device: &Name| differences.iter().any(|d| &*d.kind == "command" && d.device.as_ref() == Some(device));
    let places: BTreeSet<&(Name, Name)> = old.echoes.keys().chain(new.echoes.keys()).collect();
    let told: Vec<String> = places
        .into_iter()
        .filter(|(device, _)| differs(device))
        .map(|place| {
            let count = |side: &Side| side.echoes.get(place).copied().unwrap_or_default();
            format!("`{}` to `{}` (old {}, new {})", place.0, place.1, count(old), count(new))
        })
        .collect();
    if told.is_empty() {
        return Vec::new();
    }
    let first = format!("How devices would have answered: {}.", listed(&told));
    let then = "A command is confirmed by its device's report; where the stream has none, it fails as unconfirmed, as it would with a device that does not answer.";
    vec![first, then.to_owned()]
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
