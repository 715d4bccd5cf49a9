//! Flags of the compiler: a package does not tell where it was built, so that the same source gives the same bytes in
//! every folder, and its instances have memory to begin with.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cargo::TARGET;

/// Bytes that an instance has for its allocations from the start: all that most rules need for a turn, and what the
/// allocator asks for at once.
const HEAP: usize = 64 * 1024;

/// Between flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: char = '\u{1f}';

/// Lets `cargo`, which builds the rule in `folder`, leave room for allocations, and write other names in place of this
/// machine's folders. Flags that the environment or a configuration file gives stay.
pub(super) fn set(cargo: &mut Command, folder: &Path) {
    let flags = flags(folder);
    match given(env::var("CARGO_ENCODED_RUSTFLAGS").ok(), env::var("RUSTFLAGS").ok()) {
        Some(given) => {
            let all: Vec<String> = given.into_iter().chain(flags).collect();
            cargo.env("CARGO_ENCODED_RUSTFLAGS", all.join(&SEPARATOR.to_string()));
        }
        None => {
            let list = toml::Value::from(flags);
            cargo.arg("--config").arg(format!("target.{TARGET}.rustflags = {list}"));
        }
    }
}

/// The flags of the environment, which Cargo prefers to those of its configuration.
fn given(encoded: Option<String>, plain: Option<String>) -> Option<Vec<String>> {
    let split = |flags: String, by: &dyn Fn(char) -> bool| -> Vec<String> {
        flags.split(by).filter(|flag| !flag.is_empty()).map(str::to_owned).collect()
    };
    match (encoded, plain) {
        (Some(encoded), _) => Some(split(encoded, &|c| c == SEPARATOR)),
        (None, Some(plain)) => Some(split(plain, &char::is_whitespace)),
        (None, None) => None,
    }
}

fn flags(folder: &Path) -> Vec<String> {
    let rule = workspace(folder);
    // Where a library lies that is shared by the rules of a repository; a root would be part of every path.
    let around = rule.as_deref().and_then(Path::parent).filter(|path| path.file_name().is_some());
    // The compiler takes the last prefix that fits, so the innermost folder comes last.
    let folders = [(around.map(Path::to_path_buf), "/around"), (cargo_home(), "/cargo"), (rule, "/rule")];
    let known = folders.into_iter().filter_map(|(path, name)| Some((path?, name)));
    let renamed = known.map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display()));
    std::iter::once(format!("-Clink-arg=--initial-heap={HEAP}")).chain(renamed).collect()
}

/// Where Cargo keeps the sources of a registry.
fn cargo_home() -> Option<PathBuf> {
    let set = env::var_os("CARGO_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    set.or_else(|| Some(env::home_dir()?.join(".cargo")))
}

/// The folder of the workspace that the rule belongs to, which holds the library too where `rule new` made it.
fn workspace(folder: &Path) -> Option<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["locate-project", "--workspace", "--message-format", "plain"]).current_dir(folder);
    let found = cargo.output().ok().filter(|output| output.status.success())?;
    let manifest = PathBuf::from(OsString::from(String::from_utf8(found.stdout).ok()?.trim()));
    Some(manifest.parent()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_environment_stay() {
        let texts = |encoded: Option<&str>, plain: Option<&str>| given(encoded.map(Into::into), plain.map(Into::into));
        assert_eq!(texts(None, None), None);
        assert_eq!(texts(None, Some("-C  a=b")), Some(vec!["-C".into(), "a=b".into()]));
        assert_eq!(texts(Some("-C\u{1f}a b"), Some("-D")), Some(vec!["-C".into(), "a b".into()]));
        assert_eq!(texts(Some(""), Some("-D")), Some(vec![]));
    }

    #[test]
    fn the_rules_own_folder_is_named_last() {
        let flags = flags(Path::new(env!("CARGO_MANIFEST_DIR")));
        assert!(flags.last().is_some_and(|flag| flag.ends_with("=/rule")), "{flags:?}");
    }
}
