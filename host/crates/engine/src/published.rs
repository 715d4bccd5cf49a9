//! Published topics: a message that arrives where a rule has just published inherits its causal depth, so that no loop
//! hides behind a broker.

use model::input::TransferBody;
use model::{Instant, Name, limits};
use serde::{Deserialize, Serialize};
use store::Table;

use crate::partition::{Outbound, Partition};
use crate::rows;
use crate::turn::Persistence;

/// A topic that a rule published to. A row of [`store::Table::Published`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    /// Of a message that arrives there.
    pub(crate) depth: u8,
    pub(crate) until: Instant,
}

impl Partition {
    /// Tells every partition in which some rule listens to the topic.
    pub(crate) fn lend_depth(&mut self, topic: &Name, depth: u8) {
        let plan = std::sync::Arc::clone(&self.plan);
        for to in plan.hearers(topic) {
            if to == self.number {
                self.keep_published(topic, depth);
            } else {
                let body = TransferBody::Published { topic: topic.clone(), depth };
                self.transfers.push(Outbound { to, body, at: self.clock });
            }
        }
    }

    pub(crate) fn keep_published(&mut self, topic: &Name, depth: u8) {
        let now = self.clock;
        let gone: Vec<Name> =
            self.published.iter().filter(|(_, one)| one.until < now).map(|(topic, _)| topic.clone()).collect();
        for topic in gone {
            self.published.remove(&topic);
            self.write_published(&topic);
        }
        let known = self.published.get(topic).map_or(0, |known| known.depth);
        let row = Published { depth: depth.max(known), until: now + limits::PUBLISHED_WITHIN };
        self.published.insert(topic.clone(), row);
        self.write_published(topic);
    }

    /// The causal depth that a message on this topic inherits.
    pub(crate) fn depth_of_topic(&self, topic: &str) -> u8 {
        self.published.get(topic).filter(|one| one.until >= self.clock).map_or(0, |one| one.depth)
    }

    fn write_published(&mut self, topic: &Name) {
        if self.persistence == Persistence::Store {
            let value = self.published.get(topic).map(rows::encode);
            self.record.change(Table::Published, Box::from(topic.as_bytes()), value);
        }
    }
}
