//! `pointsman rule new`: a project from a template, ready to build and test.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use super::project;
use crate::cli::{Usage, output};

/// Makes a project for a rule, with the library it is written with and a first scenario.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman rule new freezer-guard\n  pointsman rule new freezer-guard --lang rust --into rules"
)]
pub(crate) struct New {
    /// The rule's id, which becomes the folder's name: small letters, digits and dashes.
    name: String,
    /// What the rule is written in.
    #[arg(long, value_enum, default_value_t)]
    lang: Language,
    /// Where to make the folder.
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Language {
    #[default]
    Rust,
}

impl New {
    pub(crate) fn run(self) -> Result<()> {
        let files = match self.lang {
            Language::Rust => project::rust(&self.name),
        };
        check_name(&self.name, &files)?;
        let folder = self.into.join(&self.name);
        let folder = folder.strip_prefix(".").unwrap_or(&folder);
        if !is_free(folder) {
            return Err(Usage(format!("{} exists already and is no empty folder", folder.display())).into());
        }
        for (path, content) in &files {
            write(&folder.join(path), content)?;
        }
        output::print(folder.display());
        output::say(format_args!("next: pointsman rule test {}", folder.display()));
        Ok(())
    }
}

/// The manifest knows what an id may be; Cargo knows what a crate may be called.
fn check_name(name: &str, files: &project::Files) -> Result<()> {
    if name.starts_with(|first: char| !first.is_ascii_lowercase()) || KEYWORDS.contains(&name) {
        let message =
            format!("`{name}` cannot be a rule's id: it starts with a small letter and is no keyword of Rust");
        return Err(Usage(message).into());
    }
    let manifest = files.iter().find(|(path, _)| path == Path::new("rule.toml"));
    if let Some((_, text)) = manifest {
        config::Manifest::parse(&String::from_utf8_lossy(text), "rule.toml")
            .map_err(|problems| Usage(format!("`{name}` cannot be a rule's id: {problems}")))?;
    }
    Ok(())
}

/// Words of Rust that no crate can be called, and a crate that every program has already.
const KEYWORDS: [&str; 44] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "core", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "std", "struct",
    "super", "trait", "true", "try",
];

fn is_free(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    std::fs::write(path, content).with_context(|| format!("failed to write {}", path.display()))
}
