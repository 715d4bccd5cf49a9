//! What an answer is made of: facts with their instants, for people as a short tree, for scripts as JSON.

use std::fmt;

use model::Instant;
use serde::Serialize;
use serde_json::{Map, Value as Json};

/// One fact, and what belongs to it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Node {
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Instant>,
    /// For people.
    pub(crate) words: String,
    /// For scripts.
    #[serde(flatten)]
    pub(crate) facts: Map<String, Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) below: Vec<Node>,
}

/// An answer: its facts in the order in which they happened.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    pub(crate) about: String,
    pub(crate) facts: Vec<Node>,
    /// What could not be told, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

impl Node {
    pub(crate) fn new(kind: &'static str, words: impl Into<String>) -> Self {
        Self { kind, words: words.into(), ..Self::default() }
    }

    pub(crate) fn at(mut self, at: Instant) -> Self {
        self.at = Some(at);
        self
    }

    pub(crate) fn fact(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.about)?;
        let mut last = None;
        for (index, node) in self.facts.iter().enumerate() {
            draw(f, node, "", index + 1 == self.facts.len(), &mut last)?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\nnote: {note}"))
    }
}

fn draw(
    f: &mut fmt::Formatter<'_>,
    node: &Node,
    indent: &str,
    is_last: bool,
    before: &mut Option<Instant>,
) -> fmt::Result {
    let (corner, deeper) = if is_last { ("└─", "   ") } else { ("├─", "│  ") };
    write!(f, "\n{indent}{corner} ")?;
    if let Some(at) = node.at {
        write!(f, "{at} ")?;
        if let Some(before) = before.filter(|before| *before <= at) {
            write!(f, "(+{}) ", at.since(before))?;
        }
        *before = Some(at);
    }
    write!(f, "{}", node.words)?;
    let indent = format!("{indent}{deeper}");
    for (index, below) in node.below.iter().enumerate() {
        draw(f, below, &indent, index + 1 == node.below.len(), before)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_tree_with_the_time_between_its_facts() {
        let mut rule = Node::new("step", "rule ran").at(Instant(3_000_000));
        rule.below.push(Node::new("read", "read a"));
        let facts = vec![Node::new("input", "door open").at(Instant(0)), rule];
        let report = Report { about: "effect 1".to_owned(), facts, notes: vec!["gone".to_owned()] };
        let shown = report.to_string();
        let expected = "effect 1\n├─ 1970-01-01T00:00:00Z door open\n└─ 1970-01-01T00:00:03Z (+3s) rule ran\n   └─ read a\nnote: gone";
        assert_eq!(shown, expected);
    }
}
