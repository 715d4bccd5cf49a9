//! Why a call ended early, as the engine is told.

use model::guest::{Failure, Stop};
use wasmtime::{Error, Trap, WasmBacktrace};

/// Longest message of a failure, whoever wrote it: a line in a log, not a dump.
const MESSAGE_BYTES: usize = 1024;
/// Longest function name in a message; mangled generic names have no end.
const FUNCTION_BYTES: usize = 120;

/// Frames that every panic goes through; the first one that is none of these is where the rule went wrong.
const MACHINERY: &[&str] = &[
    "core::panicking",
    "core::option",
    "core::result",
    "std::panicking",
    "std::process",
    "std::rt",
    "std::sys",
    "alloc::",
    "rust_",
    "__rust",
    "_rust",
    "__rg",
    "__rdl",
    "dlmalloc",
    "abort",
    "panic",
    "<alloc",
    "<core",
    "<dlmalloc",
    "cabi_realloc",
    "__assert_fail",
];

/// Why the host refused to go on with a call; thrown through the guest as an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("host calls used up the event's fuel")]
    Fuel,
    #[error("the package calls the host while it starts, before there is an event")]
    Starting,
    /// A value that may not cross; says which and why.
    #[error("{0}")]
    Output(String),
}

/// The failure behind an error of a guest call. `memory` is the limit that a growth was refused at, if one was.
pub(crate) fn failure(error: &Error, memory: Option<usize>) -> Failure {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        let stop = match refused {
            Refused::Fuel => Stop::Fuel,
            Refused::Starting => Stop::Trap,
            Refused::Output(_) => Stop::Output,
        };
        return stopped(stop, refused.to_string());
    }
    // The cause has no public type; the version of the engine is pinned and a test holds this text.
    if error.root_cause().to_string().contains("fuel allocated for hostcalls") {
        let limit = model::limits::CALL_BYTES;
        return stopped(Stop::Output, format!("more than {limit} bytes in one answer or host call"));
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::OutOfFuel) {
        return stopped(Stop::Fuel, format!("the event's fuel is used up{}", place(error)));
    }
    if let Some(limit) = memory {
        return stopped(Stop::Memory, format!("more than {limit} bytes of memory{}", place(error)));
    }
    let what = trap.map_or_else(|| error.root_cause().to_string(), ToString::to_string);
    stopped(Stop::Trap, format!("{}{}", what.trim_start_matches("wasm trap: "), place(error)))
}

pub(crate) fn stopped(stop: Stop, message: String) -> Failure {
    Failure::Stopped(stop, cut(message, MESSAGE_BYTES))
}

/// A guest's own message, cut to a length that fits a log.
pub(crate) fn message(text: String) -> String {
    cut(text, MESSAGE_BYTES)
}

/// ` in FUNCTION`, where the package has names.
fn place(error: &Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let mut named = backtrace.frames().iter().filter_map(|frame| frame.func_name()).map(demangled);
    let first = named.next();
    let own = first.iter().cloned().chain(named).find(|name| !MACHINERY.iter().any(|part| name.starts_with(part)));
    own.or(first).map_or_else(String::new, |name| format!(" in `{}`", cut(name, FUNCTION_BYTES)))
}

/// Rust names without their hash; other languages' names as they are.
fn demangled(name: &str) -> String {
    rustc_demangle::try_demangle(name).map_or_else(|_| name.to_owned(), |name| format!("{name:#}"))
}

fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let end = (0..=bytes - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_at_their_limit_between_characters() {
        assert_eq!(message("a".repeat(MESSAGE_BYTES)).len(), MESSAGE_BYTES);
        assert_eq!(message("a".repeat(MESSAGE_BYTES + 1)).len(), MESSAGE_BYTES);
        let cut = message("é".repeat(MESSAGE_BYTES));
        assert!(cut.len() <= MESSAGE_BYTES && cut.ends_with("é…"), "{cut}");
    }
}
