//! Problems: everything that is wrong with a file, each with its place and the nearest valid name.

use std::fmt;

use model::Name;

/// One thing that is wrong in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named to us.
    pub file: Name,
    /// From 1; none where the problem is the file as a whole.
    pub line: Option<usize>,
    /// The key, such as `trigger.too-warm.for`: an entry of a list goes by its name or id, else by its index from 0.
    pub path: String,
    /// Lower case, no full stop.
    pub message: String,
    /// The valid name that differs least from the one written.
    pub nearest: Option<String>,
}

/// At least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problem {
    /// A problem of a file as a whole.
    #[must_use]
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, path: String::new(), message: message.into(), nearest: None }
    }

    /// The same problem with the valid name among `candidates` that differs least from `written`, if one is near.
    #[must_use]
    pub fn near<'a>(mut self, written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        self.nearest = nearest(written, candidates);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, ", did you mean \"{nearest}\"?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl Problems {
    /// `value` when nothing is wrong, else the problems in order of their lines.
    ///
    /// # Errors
    /// The problems, when there are any.
    pub(crate) fn unless_any<T>(value: T, mut problems: Vec<Problem>) -> Result<T, Self> {
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        problems.dedup();
        Err(Self(problems))
    }

    /// All of `problems`, which must not be empty.
    pub(crate) fn all(problems: Vec<Problem>) -> Self {
        debug_assert!(!problems.is_empty(), "a failure names at least one problem");
        match Self::unless_any((), problems) {
            Err(problems) => problems,
            Ok(()) => Self(Vec::new()),
        }
    }

    /// In order of files and lines.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self(problems.into_iter().collect())
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Problems {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The candidate that differs from `written` by the fewest edits, if by no more than a third of its letters, or that
/// begins like it.
#[must_use]
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let written = plain(written);
    let letters = written.chars().count();
    let near = |candidate: &'a str| {
        let plain = plain(candidate);
        let edits = strsim::damerau_levenshtein(&written, &plain);
        let shorter = letters.min(plain.chars().count());
        let begins = shorter >= BEGINNING && (plain.starts_with(&written) || written.starts_with(&plain));
        (begins || edits <= (letters / 3).max(2) && edits < shorter.max(2)).then_some((edits, candidate))
    };
    candidates.into_iter().filter_map(near).min_by_key(|(edits, _)| *edits).map(|(_, candidate)| candidate.to_owned())
}

/// Letters that a common beginning must have to count as near.
const BEGINNING: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let names = ["for", "from", "capability", "when"];
        assert_eq!(nearest("fro", names).as_deref(), Some("for"));
        assert_eq!(nearest("capabilty", names).as_deref(), Some("capability"));
        assert_eq!(nearest("When", names).as_deref(), Some("when"));
        assert_eq!(nearest("volume", names), None);
        assert_eq!(nearest("password", ["user", "password-file"]).as_deref(), Some("password-file"));
        assert_eq!(nearest("on", ["off", "online"]), None);
    }
}
