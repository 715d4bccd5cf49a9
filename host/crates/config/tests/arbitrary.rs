//! Arbitrary text, and right files with a few characters changed, are refused or read, never a panic.

use std::path::Path;

use pointsman_config::{DeploymentFile, Host, Manifest, Scenario};
use proptest::prelude::*;

const MANIFEST: &str = include_str!("fixtures/manifest/right.toml");
const HOST: &str = include_str!("fixtures/host/right.toml");
const DEPLOYMENT: &str = include_str!("fixtures/deployment/right.toml");

/// Reads `text` as every kind of file; whatever is said about it has a line within it.
fn read(text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/host");
    let said = [
        Manifest::parse(text, "f").err(),
        Host::parse(text, "f", &folder).err(),
        DeploymentFile::parse(text, "f", "name".into(), &folder).err(),
        Scenario::parse(text, "f", "name".into()).err(),
    ];
    let lines = text.split('\n').count();
    for problem in said.into_iter().flatten().flatten() {
        assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem}");
        assert!(!problem.message.is_empty());
    }
}

/// One of the right files with a few stretches replaced.
fn damaged() -> impl Strategy<Value = String> {
    let file = prop::sample::select(vec![MANIFEST, HOST, DEPLOYMENT]);
    let piece =
        prop::sample::select(vec!["", "\"", "[", "]", "{", "}", "=", "${", "1e400", "-", "\u{e9}", "\0", "nan", "'"]);
    let cuts = prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, piece), 1..5);
    (file, cuts).prop_map(|(file, cuts)| {
        let mut chars: Vec<char> = file.chars().collect();
        for (at, length, piece) in cuts {
            let start = at.index(chars.len());
            let end = (start + length).min(chars.len());
            chars.splice(start..end, piece.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        read(&text);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(text in damaged()) {
        read(&text);
    }
}

#[test]
fn deep_nesting_is_refused() {
    read(&format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)));
    let keys = vec!["a"; 50_000].join(".");
    read(&format!("[settings.x]\ndefault = {{ {keys} = 1 }}"));
}
