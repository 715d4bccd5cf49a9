//! Patterns: one entry for a fleet whose ids and topics have parts such as `{n}`.

use std::collections::BTreeMap;

use model::capability::is_kebab;
use model::{Device, DeviceNo, Name, Value};

/// Longest text that a part may stand for, in bytes: ids are shown, sorted and typed.
const PART_BYTES_MAX: usize = 64;

/// A declared fleet: its devices are made as their topics are first heard.
#[derive(Debug, Clone, PartialEq)]
pub struct DevicePattern {
    /// With parts in id, site, topics and what is said about it. Its number means nothing.
    device: Device,
}

/// One member of a fleet, as a topic named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: Name,
    parts: BTreeMap<Name, Name>,
}

impl DevicePattern {
    /// None for a device without parts.
    pub(super) fn of(device: Device) -> Option<Self> {
        device.id.contains('{').then_some(Self { device })
    }

    /// The id as written, such as `truck-{n}/door`.
    #[must_use]
    pub fn id(&self) -> &Name {
        &self.device.id
    }

    /// The device as written, parts and all: its topics, readings and actions hold for each member.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Filters of the topics on which members are heard.
    #[must_use]
    pub fn heard(&self) -> Vec<Name> {
        self.heard_topics().map(|topic| filter(topic)).collect()
    }

    /// Filters of all topics of members, those of their commands too.
    #[must_use]
    pub fn filters(&self) -> Vec<Name> {
        self.device.topics().map(|topic| filter(topic)).collect()
    }

    /// The member that is heard on `topic`, if one is.
    #[must_use]
    pub fn matches(&self, topic: &str) -> Option<Instance> {
        let parts = self.heard_topics().find_map(|pattern| captures(pattern, topic))?;
        let id = fill(&self.device.id, &parts);
        Some(Instance { id, parts })
    }

    /// The member of this id, if its parts can be told from the id.
    #[must_use]
    pub fn named(&self, id: &str) -> Option<Instance> {
        Some(Instance { id: id.into(), parts: captures(&self.device.id, id)? })
    }

    #[must_use]
    pub fn instantiate(&self, instance: &Instance, number: DeviceNo) -> Device {
        let mut device = self.device.clone();
        device.number = number;
        device.id = instance.id.clone();
        let set = |text: &mut Name| *text = fill(text, &instance.parts);
        set(&mut device.site);
        device.source.iter_mut().for_each(|source| set(&mut source.topic));
        device.availability.iter_mut().for_each(|availability| set(&mut availability.topic));
        device.commands.iter_mut().for_each(|(_, action)| set(&mut action.topic));
        for (_, value) in &mut device.about {
            if let Value::Text(text) = value {
                set(text);
            }
        }
        device
    }

    fn heard_topics(&self) -> impl Iterator<Item = &Name> {
        let source = self.device.source.iter().map(|source| &source.topic);
        source.chain(self.device.availability.iter().map(|availability| &availability.topic))
    }
}

/// The names of the parts of `text`, in order.
///
/// # Errors
/// In words, when a brace is not part of one, or a level between slashes has two.
pub(super) fn parts(text: &str) -> Result<Vec<&str>, String> {
    let mut names = Vec::new();
    for level in text.split('/') {
        match split(level) {
            Some((before, name, after)) => {
                if !is_kebab(name) || [before, after].iter().any(|rest| rest.contains(['{', '}'])) {
                    return Err(format!("`{level}`: expected at most one part such as {{n}} between slashes"));
                }
                names.push(name);
            }
            None if level.contains(['{', '}']) => return Err(format!("`{level}`: a brace without its partner")),
            None => {}
        }
    }
    Ok(names)
}

/// What stands before, in and behind the braces.
fn split(level: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = level.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

fn filter(pattern: &str) -> Name {
    let levels: Vec<_> = pattern.split('/').map(|level| if level.contains('{') { "+" } else { level }).collect();
    levels.join("/").into()
}

fn captures(pattern: &str, text: &str) -> Option<BTreeMap<Name, Name>> {
    let mut found: BTreeMap<Name, Name> = BTreeMap::new();
    let mut levels = text.split('/');
    for wanted in pattern.split('/') {
        let level = levels.next()?;
        let Some((before, name, after)) = split(wanted) else {
            if level == wanted {
                continue;
            }
            return None;
        };
        let part = level.strip_prefix(before)?.strip_suffix(after)?;
        if !is_part(part) || found.get(name).is_some_and(|known| &**known != part) {
            return None;
        }
        found.insert(name.into(), part.into());
    }
    levels.next().is_none().then_some(found)
}

/// Whether the network may put `part` into an id.
fn is_part(part: &str) -> bool {
    (1..=PART_BYTES_MAX).contains(&part.len())
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}

fn fill(text: &str, parts: &BTreeMap<Name, Name>) -> Name {
    let mut filled = text.to_owned();
    for (name, part) in parts {
        filled = filled.replace(&format!("{{{name}}}"), part);
    }
    filled.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_its_parts_or_does_not_match() {
        let found = |pattern, text| captures(pattern, text).map(|parts| parts.into_values().collect::<Vec<_>>());
        assert_eq!(found("trucks/{n}/door", "trucks/7/door"), Some(vec!["7".into()]));
        assert_eq!(found("t-{n}-x/{part}", "t-7-x/door"), Some(vec!["7".into(), "door".into()]));
        for text in ["trucks//door", "trucks/7/door/x", "trucks/7", "trucks/7 8/door", "trucks/{n}/door"] {
            assert_eq!(found("trucks/{n}/door", text), None, "{text}");
        }
        assert_eq!(found("{n}/{n}", "7/8"), None);
        assert_eq!(&*filter("trucks/t-{n}/door"), "trucks/+/door");
    }

    #[test]
    fn a_part_has_at_most_64_bytes() {
        assert!(captures("{n}", &"7".repeat(PART_BYTES_MAX)).is_some());
        assert!(captures("{n}", &"7".repeat(PART_BYTES_MAX + 1)).is_none());
    }

    #[test]
    fn braces_out_of_place_are_refused() {
        assert_eq!(parts("truck-{n}/{part}"), Ok(vec!["n", "part"]));
        for text in ["truck-{n", "truck-n}", "{n}{m}", "{N}", "{}"] {
            assert!(parts(text).is_err(), "{text}");
        }
    }
}
