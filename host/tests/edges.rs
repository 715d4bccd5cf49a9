//! The table of crate edges in ARCHITECTURE.md, held against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate of ours may depend on.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("model", &[]),
    ("config", &["model"]),
    ("ingest", &["model"]),
    ("sandbox", &["model"]),
    ("store", &["model"]),
    ("engine", &["model", "store"]),
    ("scenario", &["config", "engine", "ingest", "model", "store"]),
    ("backtest", &["engine", "model"]),
    ("delivery", &["model", "store"]),
    ("server", &["engine", "model", "store"]),
];

/// What some crates must never reach, however far away.
const NEVER: [(&str, &[&str]); 5] = [
    ("model", &["tokio", "wasmtime", "rusqlite", "toml"]),
    ("engine", &["wasmtime", "rumqttc", "axum", "tokio", "getrandom"]),
    ("store", &["tokio", "wasmtime"]),
    ("backtest", &["pointsman-delivery", "pointsman-server", "wasmtime", "tokio", "rumqttc", "reqwest"]),
    ("sandbox", &["rusqlite", "rumqttc"]),
];

/// Edges that are not followed: `geo` draws random numbers only to cluster points, which the engine never asks of it.
const PASSED_OVER: [(&str, &str); 1] = [("geo", "rand")];

type Edges = BTreeMap<String, BTreeSet<String>>;

/// The platform of this build: crates for others need not be there.
fn platform() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc built this test");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}

/// Direct normal dependencies of every package, by name.
fn edges() -> Edges {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--filter-platform", &platform(), "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs this test");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata gives JSON");
    let packages = json["packages"].as_array().expect("packages");
    let names: BTreeMap<&str, &str> =
        packages.iter().filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?))).collect();
    // What runs while compiling is in no program.
    let is_macro = |package: &&serde_json::Value| package["targets"][0]["kind"][0] == "proc-macro";
    let macros: BTreeSet<&str> =
        packages.iter().filter(is_macro).filter_map(|package| package["id"].as_str()).collect();
    let mut edges = Edges::new();
    for node in json["resolve"]["nodes"].as_array().expect("nodes") {
        let name = names[node["id"].as_str().expect("an id")];
        let to = edges.entry(name.to_owned()).or_default();
        for dependency in node["deps"].as_array().expect("dependencies") {
            let kinds = dependency["dep_kinds"].as_array().expect("kinds");
            let package = dependency["pkg"].as_str().expect("a package");
            if kinds.iter().any(|kind| kind["kind"].is_null()) && !macros.contains(package) {
                to.insert(names[package].to_owned());
            }
        }
    }
    edges
}

fn reach(edges: &Edges, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(next) = open.pop() {
        for to in edges.get(&next).into_iter().flatten() {
            if !PASSED_OVER.contains(&(&next, to)) && seen.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    seen
}

#[test]
fn crates_depend_on_each_other_as_the_architecture_says() {
    let edges = edges();
    for (name, allowed) in ALLOWED {
        let ours = edges[&format!("pointsman-{name}")].iter().filter_map(|to| to.strip_prefix("pointsman-"));
        let beyond: Vec<&str> = ours.filter(|to| !allowed.contains(to)).collect();
        assert!(beyond.is_empty(), "{name} depends on {beyond:?}");
    }
}

#[test]
fn crates_do_not_reach_what_they_must_never_know() {
    let edges = edges();
    for (name, never) in NEVER {
        let reached = reach(&edges, &format!("pointsman-{name}"));
        for banned in never {
            assert!(!reached.contains(*banned), "{name} reaches {banned}");
        }
    }
}
