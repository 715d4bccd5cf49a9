//! What a file may hold: the one table from which unknown keys, wrong types, defaults and the reference all come.

mod check;
mod form;
#[cfg(test)]
mod tests;

pub(crate) use check::{check_filled, read};
pub(crate) use form::{Form, bytes, digest, hours, offset, range};

/// A table of a file.
pub(crate) struct Shape {
    pub(crate) keys: &'static [Key],
}

/// One key of a table.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) need: Need,
    /// What it means, with its unit and range; a sentence without its full stop.
    pub(crate) about: &'static str,
}

/// What happens when a key is left out.
pub(crate) enum Need {
    Required,
    Optional,
    /// The default as TOML; it is filled in before the file is read, so that the reference cannot differ from it.
    Default(&'static str),
    /// The default in words, where it depends on something else.
    Otherwise(&'static str),
}

/// What a key's value may be.
pub(crate) enum Kind {
    Text(Form),
    Word(&'static [&'static str]),
    Boolean,
    /// Both ends belong to it.
    Integer(i64, i64),
    Number(f64, f64),
    /// Text, number or boolean.
    Scalar,
    Any,
    List(&'static Kind),
    Table(&'static Shape),
    /// A table whose keys are names of this form.
    Map(Form, &'static Kind),
    /// The first that takes a value of the JSON type at hand.
    Either(&'static [Kind]),
    /// Like the inner kind, but a text with `${` in it stands for anything: settings fill it in later.
    Open(&'static Kind),
    /// A table whose key `kind` says which keys it has.
    Variant(&'static [(&'static str, &'static Shape)]),
}

/// A whole number of any size that a rule's limits may take.
pub(crate) const COUNT: Kind = Kind::Integer(1, i64::MAX);
pub(crate) const FREE: Kind = Kind::Text(Form::Free);
pub(crate) const KEBAB: Kind = Kind::Text(Form::Kebab);
pub(crate) const DURATION: Kind = Kind::Text(Form::Duration);

pub(crate) const fn required(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, need: Need::Required, about }
}

pub(crate) const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, need: Need::Optional, about }
}

pub(crate) const fn default(name: &'static str, kind: Kind, value: &'static str, about: &'static str) -> Key {
    Key { name, kind, need: Need::Default(value), about }
}

pub(crate) const fn otherwise(name: &'static str, kind: Kind, words: &'static str, about: &'static str) -> Key {
    Key { name, kind, need: Need::Otherwise(words), about }
}

impl Kind {
    /// What to write, in words: for messages and the reference.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Text(form) => form.words().to_owned(),
            Self::Word(words) => format!("one of {}", quoted(words)),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer(low, high) => between("a whole number", low, high, *high == i64::MAX),
            Self::Number(f64::MIN, f64::MAX) => "a number".to_owned(),
            Self::Number(low, high) => between("a number", low, high, false),
            Self::Scalar => "a text, a number, or true or false".to_owned(),
            Self::Any => "any value".to_owned(),
            Self::Open(of) => of.words(),
            Self::List(of) => format!("a list, each {}", of.words()),
            Self::Table(_) | Self::Variant(_) => "a table".to_owned(),
            Self::Map(form, of) => format!("a table from {} to {}", form.words(), of.words()),
            Self::Either(kinds) => kinds.iter().map(Self::words).collect::<Vec<_>>().join("; or "),
        }
    }
}

/// Words in quotes with commas between.
pub(crate) fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

fn between<T: std::fmt::Display + PartialOrd>(what: &str, low: &T, high: &T, open: bool) -> String {
    if open { format!("{what}, at least {low}") } else { format!("{what} from {low} to {high}") }
}
