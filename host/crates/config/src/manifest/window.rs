//! `window` triggers of a manifest: which readings belong together, and what their aggregate must satisfy.

use model::deployment::KeyKind;
use model::trigger::Test;
use model::window::{Aggregate, By, Frame, Window};
use model::{Span, Unit, limits};
use serde_json::Value as Json;

use super::predicate::{Conditions, Kept, in_unit};
use super::raw;
use super::triggers::Scope;
use crate::document::{Document, Path};
use crate::problem::Problem;

/// Resolves one window; what is wrong becomes problems and the result is none.
pub(super) struct Windows<'a> {
    pub(super) document: &'a Document,
    pub(super) path: &'a Path,
    pub(super) scope: &'a Scope<'a>,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Windows<'_> {
    pub(super) fn resolve(&mut self, raw: &raw::Window) -> Option<Window> {
        let before = self.problems.len();
        let frame = self.frame(raw);
        let when = raw.when.as_ref().map(|when| self.test(raw, when));
        self.check_lateness(raw, frame.as_ref());
        if raw.by == By::Role && self.scope.key == KeyKind::Device {
            self.problem("by", "each device has a key of its own: a rule with key \"site\" or \"one\" may take a role");
        }
        if raw.by == By::Role && raw.window == raw::Frame::State {
            self.problem("by", "a state is that of one device");
        }
        if self.problems.len() > before {
            return None;
        }
        Some(Window {
            capability: raw.capability,
            aggregate: raw.aggregate,
            frame: frame?,
            when: when.map_or(Some(None), |test| test.map(Some))?,
            lateness: raw.lateness,
            by: raw.by,
            snapshot: raw.snapshot,
        })
    }

    fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(self.document.problem(&self.path.key(key), message));
    }

    fn frame(&mut self, raw: &raw::Window) -> Option<Frame> {
        self.check_keys(raw);
        match raw.window {
            raw::Frame::Tumbling => {
                let size = self.size(raw)?;
                Some(Frame::Sliding { size, advance: size })
            }
            raw::Frame::Sliding => {
                let (size, advance) = (self.size(raw), self.within("advance", raw.advance?));
                let (size, advance) = (size?, advance?);
                if size.0 % advance.0 != 0 || size.0 / advance.0 > limits::WINDOW_PANES {
                    let most = limits::WINDOW_PANES;
                    self.problem("advance", format!("{advance}: expected a part of {size}, at most {most} of them"));
                    return None;
                }
                Some(Frame::Sliding { size, advance })
            }
            raw::Frame::Session => Some(Frame::Session { idle: self.within("idle", raw.idle?)? }),
            raw::Frame::Count => match raw.size.as_ref()?.as_u64().map(u32::try_from) {
                Some(Ok(size)) => Some(Frame::Count { size }),
                _ => {
                    self.problem("size", "a count window takes a number of readings");
                    None
                }
            },
            raw::Frame::State => {
                let path = self.path.key("while");
                let (document, scope, role) = (self.document, self.scope, &raw.role);
                let mut conditions = Conditions { document, scope, role, problems: self.problems };
                conditions.whole(raw.r#while.as_ref()?, &path).map(|during| Frame::State { during })
            }
        }
    }

    /// Each kind of window has keys of its own.
    fn check_keys(&mut self, raw: &raw::Window) {
        use raw::Frame as Word;
        let keys: [(&str, bool, &[Word]); 4] = [
            ("size", raw.size.is_some(), &[Word::Tumbling, Word::Sliding, Word::Count]),
            ("advance", raw.advance.is_some(), &[Word::Sliding]),
            ("idle", raw.idle.is_some(), &[Word::Session]),
            ("while", raw.r#while.is_some(), &[Word::State]),
        ];
        for (key, given, words) in keys {
            match (given, words.contains(&raw.window)) {
                (true, false) => self.problem(key, format!("a {} window has none", raw.window.word())),
                (false, true) => self.problem(key, format!("missing: a {} window needs it", raw.window.word())),
                _ => {}
            }
        }
    }

    fn size(&mut self, raw: &raw::Window) -> Option<Span> {
        let Some(span) = raw.size.as_ref()?.as_str().and_then(|text| text.parse().ok()) else {
            self.problem("size", format!("a {} window takes a duration", raw.window.word()));
            return None;
        };
        self.within("size", span)
    }

    fn within(&mut self, key: &str, span: Span) -> Option<Span> {
        if span > Span::ZERO && span <= limits::WINDOW_SIZE {
            return Some(span);
        }
        self.problem(key, format!("{span}: expected more than nothing and at most {}", limits::WINDOW_SIZE));
        None
    }

    /// What is kept open is bounded by it.
    fn check_lateness(&mut self, raw: &raw::Window, frame: Option<&Frame>) {
        let most = match frame {
            None => return,
            Some(Frame::Sliding { size, .. }) => *size,
            Some(Frame::Session { idle }) => *idle,
            Some(Frame::Count { .. } | Frame::State { .. }) => Span::ZERO,
        };
        if raw.lateness > most {
            self.problem("lateness", format!("{}: a window like this takes at most {most}", raw.lateness));
        }
    }

    fn test(&mut self, raw: &raw::Window, when: &raw::Predicate) -> Option<Test> {
        let path = self.path.key("when");
        let one = [
            ("above", &when.above, Test::Above as fn(f64) -> Test),
            ("at-least", &when.at_least, Test::AtLeast),
            ("below", &when.below, Test::Below),
            ("at-most", &when.at_most, Test::AtMost),
        ];
        let two =
            [("within", &when.within, Test::Within as fn(f64, f64) -> Test), ("outside", &when.outside, Test::Outside)];
        let given = one.iter().filter(|(_, value, _)| value.is_some()).count()
            + two.iter().filter(|(_, value, _)| value.is_some()).count();
        if given != 1 {
            self.problem("when", "expected exactly one of above, at-least, below, at-most, within or outside");
            return None;
        }
        for (word, value, test) in one {
            if let Some(value) = value {
                return self.number(raw, value, &path.key(word)).map(test);
            }
        }
        let (word, band, test) = two.into_iter().find_map(|(word, band, test)| Some((word, band.as_ref()?, test)))?;
        let path = path.key(word);
        let ends: Vec<_> = band.iter().map(|value| self.number(raw, value, &path)).collect::<Option<_>>()?;
        match ends[..] {
            [low, high] if low <= high => Some(test(low, high)),
            _ => {
                self.problems.push(self.document.problem(&path, "expected two values, the lower one first"));
                None
            }
        }
    }

    /// A number in the unit of the aggregate.
    fn number(&mut self, raw: &raw::Window, value: &Json, path: &Path) -> Option<f64> {
        let kept = self.scope.unit(&raw.role, raw.capability);
        let converted = match raw.aggregate {
            Aggregate::Count => in_unit(value, Kept::Bare, Unit::convert),
            Aggregate::Range | Aggregate::Change => in_unit(value, kept, Unit::convert_difference),
            Aggregate::Sum | Aggregate::Mean | Aggregate::Min | Aggregate::Max => in_unit(value, kept, Unit::convert),
        };
        converted.map_err(|message| self.problems.push(self.document.problem(path, message))).ok()
    }
}
