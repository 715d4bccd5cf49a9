//! Cycles: deployments whose effects may wake themselves again, as their grants and triggers allow.
//!
//! Found before anything runs. What a cycle does when it runs is bounded by the gate `loop`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::topic::overlap;
use model::trigger::Kind;
use model::{Capability, DeviceNo, Name};

use crate::plan::Plan;

/// A chain of deployments each of which may wake the next, the last the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// Each deployment with what carries its effect to the next: a capability, an emission or a topic.
    pub steps: Vec<(Name, Name)>,
}

impl std::fmt::Display for Cycle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (deployment, over) in &self.steps {
            write!(f, "{deployment} -({over})-> ")?;
        }
        f.write_str(self.steps.first().map_or("", |(deployment, _)| deployment))
    }
}

/// By deployment: whom its effects may wake, and by what.
type Edges = Vec<BTreeMap<u32, Name>>;

/// Each deployment that may wake itself, and the shortest cycle with others through each that is in one, each set of
/// deployments once.
pub(crate) fn cycles(plan: &Plan) -> Vec<Cycle> {
    let edges = edges(plan);
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for start in (0_u32..).take(edges.len()) {
        let own = edges[start as usize].contains_key(&start).then(|| vec![start]);
        for path in own.into_iter().chain(shortest(&edges, start)) {
            if !seen.insert(path.iter().copied().collect::<BTreeSet<_>>()) {
                continue;
            }
            let next = path.iter().skip(1).chain(path.first());
            let step = |(from, to): (&u32, &u32)| {
                let over = edges[*from as usize].get(to).cloned().unwrap_or_else(|| Name::from(""));
                (plan.deployments[*from as usize].spec.name.clone(), over)
            };
            found.push(Cycle { steps: path.iter().zip(next).map(step).collect() });
        }
    }
    found
}

/// The shortest way from a deployment over others back to itself.
fn shortest(edges: &Edges, start: u32) -> Option<Vec<u32>> {
    let mut came_from: BTreeMap<u32, u32> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for to in edges[at as usize].keys() {
            if *to == start && at == start {
                continue;
            }
            if *to == start {
                let mut path = vec![at];
                while let Some(before) = path.last().filter(|last| **last != start).and_then(|last| came_from.get(last))
                {
                    path.push(*before);
                }
                path.reverse();
                return Some(path);
            }
            if !came_from.contains_key(to) {
                came_from.insert(*to, at);
                queue.push_back(*to);
            }
        }
    }
    None
}

fn edges(plan: &Plan) -> Edges {
    let mut watchers: BTreeMap<DeviceNo, Vec<(Option<Capability>, u32)>> = BTreeMap::new();
    for binding in (0..plan.partitions).flat_map(|partition| plan.bindings(partition)) {
        for (device, capability) in &binding.watches {
            watchers.entry(*device).or_default().push((*capability, binding.deployment));
        }
    }
    let mut edges: Edges = vec![BTreeMap::new(); plan.deployments.len()];
    for (from, wakes) in plan.deployments.iter().zip(&mut edges) {
        let spec = &from.spec;
        for grant in &spec.grants.commands {
            for device in spec.role(&grant.role).into_iter().flat_map(|role| &role.members) {
                let action = plan.devices.get(*device).and_then(|device| device.commands.get(&grant.action));
                let Some(sets) = action.and_then(|action| action.sets.as_ref()) else { continue };
                let heard = watchers.get(device).into_iter().flatten();
                for (_, to) in heard.filter(|(watched, _)| watched.is_none_or(|watched| watched == sets.capability)) {
                    wakes.entry(*to).or_insert_with(|| Name::from(sets.capability.name()));
                }
            }
        }
        for (number, to) in (0_u32..).zip(&plan.deployments) {
            for trigger in &to.spec.triggers {
                let over = match &trigger.kind {
                    Kind::Custom { name } if spec.grants.emit.contains(name) => name,
                    Kind::Message { filter, .. } if spec.grants.publish.iter().any(|f| overlap(f, filter)) => filter,
                    _ => continue,
                };
                wakes.entry(number).or_insert_with(|| over.clone());
            }
        }
    }
    edges
}
