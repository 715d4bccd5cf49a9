//! What wakes rules without a device: messages on a topic, and what other rules emit.

use std::sync::Arc;

use model::deployment::KeyKind;
use model::effect::Emission;
use model::event::{Cause, Custom, Event, Message};
use model::input::Origin;
use model::trigger::Kind;
use model::{Input, Name, topic};

use crate::partition::Partition;
use crate::step::Wake;
use crate::wakes;

impl Partition {
    pub(crate) fn message(&mut self, input: &Input, message: &Message) {
        let plan = Arc::clone(&self.plan);
        let depth = self.depth_of_topic(&message.topic);
        if message.retained {
            self.accounts.snapshot += 1;
        }
        let mut wakes = Vec::new();
        for index in &self.listening {
            let slot = &self.slots[*index as usize];
            let planned = &plan.deployments[slot.binding.deployment as usize];
            let trigger = &planned.triggers[slot.binding.trigger as usize].spec;
            let Kind::Message { filter, key_from, snapshot } = &trigger.kind else { continue };
            // A retained message is old state: each start of the host brings it again.
            if message.retained && !snapshot || !topic::matches(filter, &message.topic) {
                continue;
            }
            let keys = plan.keys_in(&planned.spec, self.number);
            let key = match key_from {
                None => (planned.spec.key == KeyKind::One).then(|| Name::from("one")),
                Some(pointer) => pointed(&message.payload, pointer),
            };
            let Some(key) = key.filter(|key| keys.contains(key)) else {
                self.accounts.no_key += 1;
                continue;
            };
            wakes.push(Wake {
                deployment: slot.binding.deployment,
                event: Event {
                    id: wakes::message_event(&input.id, &planned.spec.name, &trigger.name),
                    trigger: trigger.name.clone(),
                    key,
                    occurred_at: input.occurred_at.unwrap_or(self.clock),
                    received_at: self.clock,
                    cause: Cause::Message(message.clone()),
                    attributes: input.attributes.clone(),
                },
                depth,
                attempt: 0,
                because: None,
            });
        }
        wakes.into_iter().for_each(|wake| self.run(wake));
    }

    pub(crate) fn deliver_emission(&mut self, emission: &Emission, from: &Name, origin: &Origin) {
        let plan = Arc::clone(&self.plan);
        for index in &self.listening {
            let slot = &self.slots[*index as usize];
            let planned = &plan.deployments[slot.binding.deployment as usize];
            let trigger = &planned.triggers[slot.binding.trigger as usize].spec;
            let Kind::Custom { name } = &trigger.kind else { continue };
            if *name != emission.name {
                continue;
            }
            let device = emission.device.as_ref().and_then(|id| plan.devices.named(id)).map(|device| device.number);
            let given = emission.key.clone().or_else(|| plan.key_of(&planned.spec, device?));
            let keys = plan.keys_in(&planned.spec, self.number);
            let only = || (planned.spec.key == KeyKind::One).then(|| Name::from("one"));
            let Some(key) = given.or_else(only).or_else(|| Some(from.clone())).filter(|key| keys.contains(key)) else {
                self.accounts.no_key += 1;
                continue;
            };
            self.queue.push_back(Wake {
                deployment: slot.binding.deployment,
                event: Event {
                    id: wakes::custom_event(origin.id, &planned.spec.name, &trigger.name),
                    trigger: trigger.name.clone(),
                    key,
                    occurred_at: origin.at,
                    received_at: self.clock,
                    cause: Cause::Custom(Custom {
                        name: emission.name.clone(),
                        attributes: emission.attributes.clone(),
                    }),
                    attributes: Vec::new(),
                },
                depth: origin.depth,
                attempt: 0,
                because: None,
            });
        }
    }
}

/// The text or number that a JSON pointer finds in a payload.
fn pointed(payload: &[u8], pointer: &str) -> Option<Name> {
    let json: serde_json::Value = serde_json::from_slice(payload).ok()?;
    match json.pointer(pointer)? {
        serde_json::Value::String(text) => Some(Name::from(text.as_str())),
        serde_json::Value::Number(number) => Some(Name::from(number.to_string())),
        _ => None,
    }
}
