//! Selectors: which devices a role binds, said by what they are instead of by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Device, Name};

/// Deepest nesting of parentheses and `not`: more than anybody writes, far less than a thread's stack holds.
pub const DEPTH_MAX: usize = 32;
/// Longest text of a selector, in bytes.
pub const BYTES_MAX: usize = 4_096;

/// A condition over a device's own entry, such as `kind = 'thermometer' and site = 'truck-7'`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selector {
    Is(Subject, Name),
    IsNot(Subject, Name),
    Not(Box<Selector>),
    All(Vec<Selector>),
    Any(Vec<Selector>),
}

/// What of a device is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    Id,
    Kind,
    Site,
    /// `about.NAME`, what the operator says about it. A device without that entry differs from every text.
    About(Name),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseSelectorError {
    #[error("expected {expected} at column {column}, found {found}")]
    Unexpected { expected: &'static str, column: usize, found: String },
    #[error("the text that starts at column {column} does not end: expected a closing quote")]
    Unclosed { column: usize },
    #[error("unknown field `{name}` at column {column}: expected id, kind, site or about.NAME")]
    Subject { name: String, column: usize },
    #[error("nested deeper than {DEPTH_MAX}")]
    TooDeep,
    #[error("longer than {BYTES_MAX} bytes")]
    TooLong,
}

impl Selector {
    #[must_use]
    pub fn matches(&self, device: &Device) -> bool {
        match self {
            Self::Is(subject, text) => subject.equals(device, text),
            Self::IsNot(subject, text) => !subject.equals(device, text),
            Self::Not(inner) => !inner.matches(device),
            Self::All(parts) => parts.iter().all(|part| part.matches(device)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(device)),
        }
    }
}

impl Subject {
    fn equals(&self, device: &Device, text: &str) -> bool {
        match self {
            Self::Id => &*device.id == text,
            Self::Kind => &*device.kind == text,
            Self::Site => &*device.site == text,
            Self::About(name) => device.about.iter().any(|(known, value)| known == name && value.to_string() == text),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("id"),
            Self::Kind => f.write_str("kind"),
            Self::Site => f.write_str("site"),
            Self::About(name) => write!(f, "about.{name}"),
        }
    }
}

impl fmt::Display for Selector {
    /// Fully parenthesised; reads back as the same selector.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = |text: &str| if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") };
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            f.write_str("(")?;
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                write!(f, "{part}")?;
            }
            f.write_str(")")
        };
        match self {
            Self::Is(subject, text) => write!(f, "{subject} = {}", quote(text)),
            Self::IsNot(subject, text) => write!(f, "{subject} != {}", quote(text)),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::All(parts) => joined(f, parts, "and"),
            Self::Any(parts) => joined(f, parts, "or"),
        }
    }
}

impl FromStr for Selector {
    type Err = ParseSelectorError;
    fn from_str(text: &str) -> Result<Self, ParseSelectorError> {
        if text.len() > BYTES_MAX {
            return Err(ParseSelectorError::TooLong);
        }
        let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.chars().count() + 1 };
        let selector = parser.any(0)?;
        match parser.peek() {
            None => Ok(selector),
            Some(_) => Err(parser.unexpected("`and`, `or` or the end")),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

/// Tokens with the column of each, from 1.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ParseSelectorError> {
    let mut found = Vec::new();
    let mut rest = text.chars().enumerate().peekable();
    while let Some((index, c)) = rest.next() {
        let column = index + 1;
        let token = match c {
            _ if c.is_whitespace() => continue,
            '(' => Token::Sign("("),
            ')' => Token::Sign(")"),
            '=' => {
                rest.next_if(|(_, next)| *next == '=');
                Token::Sign("=")
            }
            '!' if rest.next_if(|(_, next)| *next == '=').is_some() => Token::Sign("!="),
            '\'' | '"' => {
                let mut inner = String::new();
                loop {
                    match rest.next() {
                        None => return Err(ParseSelectorError::Unclosed { column }),
                        Some((_, end)) if end == c => break,
                        Some((_, other)) => inner.push(other),
                    }
                }
                Token::Text(inner)
            }
            _ if is_word(c) => {
                let mut word = String::from(c);
                while let Some((_, next)) = rest.next_if(|(_, next)| is_word(*next)) {
                    word.push(next);
                }
                Token::Word(word)
            }
            other => {
                let expected = "a field, a quoted text, `=`, `!=` or a parenthesis";
                return Err(ParseSelectorError::Unexpected { expected, column, found: format!("`{other}`") });
            }
        };
        found.push((column, token));
    }
    Ok(found)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    /// The column behind the last character.
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(column, _)| *column)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let there = self.peek() == Some(wanted);
        self.next += usize::from(there);
        there
    }

    fn word(&mut self, word: &str) -> bool {
        self.take(&Token::Word(word.to_owned()))
    }

    fn unexpected(&self, expected: &'static str) -> ParseSelectorError {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Word(word)) => format!("`{word}`"),
            Some(Token::Text(text)) => format!("'{text}'"),
            Some(Token::Sign(sign)) => format!("`{sign}`"),
        };
        ParseSelectorError::Unexpected { expected, column: self.column(), found }
    }

    fn any(&mut self, depth: usize) -> Result<Selector, ParseSelectorError> {
        let mut parts = vec![self.all(depth)?];
        while self.word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() > 1 { Selector::Any(parts) } else { parts.remove(0) })
    }

    fn all(&mut self, depth: usize) -> Result<Selector, ParseSelectorError> {
        let mut parts = vec![self.term(depth)?];
        while self.word("and") {
            parts.push(self.term(depth)?);
        }
        Ok(if parts.len() > 1 { Selector::All(parts) } else { parts.remove(0) })
    }

    fn term(&mut self, depth: usize) -> Result<Selector, ParseSelectorError> {
        if depth >= DEPTH_MAX {
            return Err(ParseSelectorError::TooDeep);
        }
        if self.word("not") {
            return Ok(Selector::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.take(&Token::Sign("(")) {
            let inner = self.any(depth + 1)?;
            return if self.take(&Token::Sign(")")) { Ok(inner) } else { Err(self.unexpected("`)`")) };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Selector, ParseSelectorError> {
        let column = self.column();
        let Some(Token::Word(name)) = self.peek().cloned() else {
            return Err(self.unexpected("id, kind, site or about.NAME"));
        };
        let subject = match &*name {
            "id" => Subject::Id,
            "kind" => Subject::Kind,
            "site" => Subject::Site,
            other => match other.strip_prefix("about.").filter(|name| !name.is_empty()) {
                Some(about) => Subject::About(Name::from(about)),
                None => return Err(ParseSelectorError::Subject { name, column }),
            },
        };
        self.next += 1;
        let equal = self.take(&Token::Sign("="));
        if !equal && !self.take(&Token::Sign("!=")) {
            return Err(self.unexpected("`=` or `!=`"));
        }
        let Some(Token::Text(text)) = self.peek().cloned() else {
            return Err(self.unexpected("a quoted text"));
        };
        self.next += 1;
        let text = Name::from(text);
        Ok(if equal { Selector::Is(subject, text) } else { Selector::IsNot(subject, text) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Confirm;
    use crate::{DeviceNo, Value};

    fn device() -> Device {
        Device {
            number: DeviceNo(1),
            id: "truck-7/probe-1".into(),
            kind: "thermometer".into(),
            site: "truck-7".into(),
            source: None,
            availability: None,
            commands: crate::device::Actions::new(),
            confirm: Confirm::default(),
            about: vec![("room".into(), Value::text("hold")), ("bay".into(), Value::Integer(2))],
        }
    }

    #[test]
    fn comparisons_combine_and_bind_tighter_than_and_than_or() {
        for (text, expected) in [
            ("kind = 'thermometer' and site = 'truck-7'", true),
            ("kind = 'siren' or kind = 'thermometer' and site = 'truck-8'", false),
            ("(kind = 'siren' or kind = 'thermometer') and not site = \"truck-8\"", true),
            ("id != 'truck-7/probe-1'", false),
            ("about.room = 'hold' and about.bay = '2'", true),
            ("about.floor != 'first'", true),
            ("not not id = 'truck-7/probe-1'", true),
        ] {
            let selector: Selector = text.parse().expect("a selector");
            assert_eq!(selector.matches(&device()), expected, "{text}");
            assert_eq!(selector.to_string().parse(), Ok(selector), "{text}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_column() {
        for (text, expected) in [
            ("", "expected id, kind, site or about.NAME at column 1, found the end"),
            ("kind = thermometer", "expected a quoted text at column 8, found `thermometer`"),
            ("knd = 'a'", "unknown field `knd` at column 1: expected id, kind, site or about.NAME"),
            ("kind = 'a", "the text that starts at column 8 does not end: expected a closing quote"),
            ("kind = 'a' site = 'b'", "expected `and`, `or` or the end at column 12, found `site`"),
            ("(kind = 'a'", "expected `)` at column 12, found the end"),
            ("truck-7/siren", "expected a field, a quoted text, `=`, `!=` or a parenthesis at column 8, found `/`"),
        ] {
            assert_eq!(text.parse::<Selector>().map_err(|e| e.to_string()), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn nesting_and_length_end_at_their_limits() {
        let nested = |depth: usize| format!("{}id = 'a'{}", "(".repeat(depth), ")".repeat(depth));
        assert!(nested(DEPTH_MAX - 1).parse::<Selector>().is_ok());
        assert_eq!(nested(DEPTH_MAX).parse::<Selector>(), Err(ParseSelectorError::TooDeep));
        let long = |bytes: usize| format!("id = '{}'", "a".repeat(bytes - 7));
        assert!(long(BYTES_MAX).parse::<Selector>().is_ok());
        assert_eq!(long(BYTES_MAX + 1).parse::<Selector>(), Err(ParseSelectorError::TooLong));
    }
}
