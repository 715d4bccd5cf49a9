//! A package that imports WASI: refused without its deployment's leave, tested, checked and run with it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::broker::free_port;
use crate::client::Mqtt;
use crate::host::{Host, package_path};

const BUTTON: &str = r#"
[[device]]
id = "button"
kind = "contact"
source = { topic = "home/button", readings = { contact = { path = "/on" } } }
"#;
const BOUND: &str = "[roles]\nbutton = [\"button\"]\n\n[grants]\npublish = [\"wasi/told\"]\n";
const REFUSAL: &str = "which its deployment does not allow";

/// The rule's scenarios in a folder of ours, in which their deployment reads so.
fn scenarios(folder: &Path, deployment: impl Fn(&str) -> String) -> Result<PathBuf> {
    let rule = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/rust-wasi");
    let copy = folder.join("rule");
    std::fs::create_dir_all(copy.join("scenarios"))?;
    std::fs::copy(rule.join("scenarios/tells.jsonl"), copy.join("scenarios/tells.jsonl"))?;
    let text = std::fs::read_to_string(rule.join("scenarios/deployment.toml"))?;
    std::fs::write(copy.join("scenarios/deployment.toml"), deployment(&text))?;
    Ok(copy)
}

/// Exit code and everything said of `rule test`.
fn tested(host: &Host, rule: &Path) -> Result<(Option<i32>, String)> {
    let (rule, package) = (rule.display().to_string(), package_path("rust-wasi")?.display().to_string());
    let output = host.command(&["rule", "test", &rule, "--package", &package])?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn scenarios_of_a_package_with_wasi_run_where_their_deployment_allows_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::new(folder.path(), "")?;
    let (code, said) = tested(&host, &scenarios(folder.path(), str::to_owned)?)?;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("tells (1 expectations)"), "{said}");
    let without = |text: &str| text.replace("compatibility = true\n", "");
    let (code, said) = tested(&host, &scenarios(folder.path(), without)?)?;
    assert!(code == Some(1) && said.contains(REFUSAL), "{said}");
    let misspelt = |text: &str| text.replace("compatibility =", "compatability =");
    let (code, said) = tested(&host, &scenarios(folder.path(), misspelt)?)?;
    assert!(code == Some(2) && said.contains("compatibility"), "{said}");
    let output = host.command(&["rule", "inspect", &package_path("rust-wasi")?.display().to_string()])?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("wasi          runs only where its deployment says `compatibility = true`"), "{shown}");
    Ok(())
}

#[test]
fn a_package_with_wasi_runs_in_a_host_where_its_deployment_allows_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let mut host = Host::new(folder.path(), &format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{BUTTON}"))?;
    host.deploy("wasi", "rust-wasi", BOUND)?;
    for command in ["check", "run"] {
        let output = host.command(&[command])?;
        let said = [&*output.stdout, &*output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!output.status.success() && said.contains(REFUSAL), "{command}: {said}");
    }
    host.deploy("wasi", "rust-wasi", &format!("compatibility = true\n\n{BOUND}"))?;
    assert!(host.command(&["check"])?.status.success());
    host.start()?;
    let client = Mqtt::connect(port, "home", "wasi/told")?;
    client.publish("home/button", r#"{"on":true}"#)?;
    let heard = client.hears("the rule tells", |heard| !heard.is_empty())?;
    assert_eq!(heard[0].payload, r#"{"years":10,"same":true}"#);
    let effect = heard[0].effect.clone().context("the effect's id travels with it")?;
    host.stop()?;
    // What it saw of the clock it sees again.
    let decided = crate::why::decisions(&host)?;
    assert!(decided.iter().any(|decision| decision["effect"]["id"] == *effect), "{decided:?}");
    Ok(())
}
