//! Why: an effect explained from the contact's report to the sink, beside the running host and after it.

use anyhow::{Context as _, Result};
use serde_json::Value as Json;

use crate::client::Mqtt;
use crate::host::Host;

const DEVICES: &str = r#"
[[device]]
id = "window"
kind = "contact"
source = { topic = "home/window", readings = { contact = { path = "/open" } } }

[[device]]
id = "radiator"
kind = "thermostat"
source = { topic = "home/radiator", readings = { setpoint = { path = "/setpoint" } } }
commands.set = { capability = "setpoint", topic = "home/radiator/set", payload = '{"setpoint":{{ value }}}' }
"#;

const DEPLOYMENT: &str = r#"
[roles]
window = ["window"]
thermostat = ["radiator"]

[settings]
open-for = "1s"

[grants]
commands = ["thermostat:set"]
"#;

fn asked(host: &Host, arguments: &[&str]) -> Result<Json> {
    let output = host.command(&[&["why", "--json"], arguments].concat())?;
    anyhow::ensure!(output.status.success(), "why: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("why gives no JSON")
}

fn kinds(report: &Json) -> Vec<&str> {
    report["facts"].as_array().into_iter().flatten().filter_map(|fact| fact["kind"].as_str()).collect()
}

#[test]
fn an_effect_is_explained_from_the_report_to_the_sink() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = crate::broker::free_port()?;
    let mut host = Host::new(folder.path(), &format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{DEVICES}"))?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    let heard = client.hears("the heating is turned down", |heard| !heard.is_empty())?;
    let effect = heard[0].effect.clone().context("the effect's id travels with it")?;
    client.publish("home/radiator", r#"{"setpoint":7}"#)?;
    crate::client::wait_until("the end of the command is explained", || {
        let report = asked(&host, &[&effect[..12]])?;
        Ok(report["about"].as_str().is_some_and(|about| about.ends_with("confirmed")))
    })?;
    host.stop()?;
    let report = asked(&host, &[&effect])?;
    assert_eq!(report["notes"], Json::Null, "{report}");
    assert_eq!(kinds(&report), ["input", "trigger", "step", "sent", "ended"], "{report}");
    assert_eq!(report["facts"][0]["device"], "window");
    let step = report["facts"][2]["below"].as_array().context("what the step did")?;
    assert!(step.iter().any(|fact| fact["kind"] == "read"), "{report}");
    assert!(step.iter().any(|fact| fact["verdict"] == "allowed"), "{report}");

    let report = asked(&host, &["--device", "window"])?;
    let told = report.to_string();
    assert!(told.contains("the rule ran for key") && told.contains("other-change"), "{told}");
    let report = asked(&host, &[&effect, "--what-if", "contact = false"])?;
    assert!(kinds(&report).contains(&"removed"), "{report}");
    let unknown = host.command(&["why", "--device", "windaw"])?;
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("the nearest is `window`"));
    Ok(())
}
