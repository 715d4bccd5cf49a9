//! Names that repeat from line to line: allocated once.

use model::{Capability, Name, Unit};
use rustc_hash::FxHashMap;

use crate::codecs::json::Quantity;
use crate::nearest;

/// Past this many, names are allocated line by line: a recording of more devices is rare, and memory stays bounded.
const KEPT: usize = 100_000;

/// Which capability names may be new: recordings may bring some, requests from the network may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    Open,
    Known,
}

pub(crate) struct Names {
    vocabulary: Vocabulary,
    texts: FxHashMap<Box<str>, Name>,
    capabilities: FxHashMap<Box<str>, (Capability, Quantity)>,
}

impl Names {
    pub(crate) fn new(vocabulary: Vocabulary) -> Self {
        Self { vocabulary, texts: FxHashMap::default(), capabilities: FxHashMap::default() }
    }

    pub(crate) fn text(&mut self, text: &str) -> Name {
        if let Some(name) = self.texts.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        if self.texts.len() < KEPT {
            self.texts.insert(text.into(), name.clone());
        }
        name
    }

    /// The capability of this name with its own unit.
    ///
    /// # Errors
    /// A message: no such name, or none that has been declared.
    pub(crate) fn capability(&mut self, name: &str) -> Result<(Capability, &Quantity), String> {
        if !self.capabilities.contains_key(name) {
            let capability = match self.vocabulary {
                Vocabulary::Open => Capability::named(name).map_err(|error| error.to_string())?,
                Vocabulary::Known => Capability::known(name).ok_or_else(|| {
                    let near = nearest::of(name, Capability::all_known().into_iter());
                    format!("no device or rule knows capability `{name}`{}", nearest::hint(near))
                })?,
            };
            self.capabilities.insert(name.into(), (capability, Quantity::of(capability, None)));
        }
        let (capability, quantity) = self.capabilities.get(name).expect("it was just put there");
        Ok((*capability, quantity))
    }

    /// How numbers of `capability` given in `code` are meant.
    ///
    /// # Errors
    /// A message: an unknown unit, or one that measures something else.
    pub(crate) fn quantity(capability: Capability, code: &str) -> Result<Quantity, String> {
        let unit = Unit::named(code).map_err(|error| error.to_string())?;
        if let Some(canonical) = capability.unit() {
            unit.convert(0.0, canonical).map_err(|error| error.to_string())?;
        }
        Ok(Quantity::of(capability, Some(unit)))
    }
}
