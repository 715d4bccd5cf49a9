//! What leaves: commands that no device declares, and attempts that outlive the process.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::broker::Broker;
use crate::client::{Mqtt, wait_until};
use crate::heating::{DEPLOYMENT, mosquitto};
use crate::host::Host;
use crate::receiver::Receiver;

fn open_window(client: &Mqtt) -> Result<()> {
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":false}"#)?;
    client.publish("home/window", r#"{"open":true}"#)
}

#[test]
fn an_action_that_no_device_declares_leaves_as_our_own_json() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let devices: Vec<String> = mosquitto(broker.port).lines().map(str::to_owned).collect();
    let undeclared = devices.into_iter().filter(|line| !line.starts_with("commands.")).collect::<Vec<_>>().join("\n");
    let text = format!("[commands]\ntopic = \"devices/{{device}}/commands\"\n\n{undeclared}\n");
    let mut host = Host::new(folder.path(), &text)?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "home", "devices/#")?;
    open_window(&client)?;
    let heard = client.hears("the heating is turned down", |heard| !heard.is_empty())?;
    assert_eq!(heard[0].topic, "devices/radiator/commands");
    let command: serde_json::Value = serde_json::from_str(&heard[0].payload)?;
    assert_eq!((&command["device"], &command["action"]), (&"radiator".into(), &"set".into()), "{command}");
    assert_eq!(command["arguments"]["value"].as_f64(), Some(7.0), "{command}");
    assert_eq!(command["id"].as_str(), heard[0].effect.as_deref(), "the id is in the payload too");
    host.stop()
}

/// The attempts that the journal knows to have failed.
fn attempts(host: &Host) -> Result<Vec<u64>> {
    let output = host.command(&["journal", "export"])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(serde_json::from_str::<serde_json::Value>).collect::<Result<Vec<_>, _>>()?;
    let due = lines.iter().filter(|line| line["completion"]["due"].is_string());
    Ok(due.filter_map(|line| line["completion"]["attempt"].as_u64()).collect())
}

/// A host whose rule reminds the household over a webhook a second after the heating was turned down.
fn reminding(folder: &Path, broker: &Broker, receiver: &Receiver) -> Result<Host> {
    std::fs::write(folder.join("secret"), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")?;
    std::fs::create_dir_all(folder.join("templates"))?;
    let template =
        "class = \"service\"\npurpose = \"comfort\"\ntext.en = { title = \"Open\", body = \"{{ windows }}\" }\n";
    std::fs::write(folder.join("templates/window-open.toml"), template)?;
    let people = format!(
        "\n[[sink]]\nname = \"hook\"\nwebhook = {{ url = \"http://127.0.0.1:{}/hook\", secret-file = \"secret\" }}\n\
         \n[[group]]\nname = \"household\"\nsinks = [\"hook\"]\n",
        receiver.port
    );
    let host = Host::new(folder, &(mosquitto(broker.port) + &people))?;
    let told = DEPLOYMENT.replace("open-for = \"3s\"", "open-for = \"1s\"\nremind-after = \"1s\"")
        + "notifications = [\"window-open\"]\n";
    host.deploy("heating", "thermostat-window", &told)?;
    Ok(host)
}

/// What came of a webhook whose receiver is gone.
fn refused_as_gone(host: &Host) -> Result<usize> {
    let output = host.command(&["journal", "export"])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(serde_json::from_str::<serde_json::Value>).collect::<Result<Vec<_>, _>>()?;
    Ok(lines.iter().filter(|line| line["completion"]["reason"] == "gone").count())
}

#[test]
fn a_webhook_that_answers_410_is_disabled_over_a_restart_until_it_is_enabled() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let receiver = Receiver::start("410 Gone")?;
    let mut host = reminding(folder.path(), &broker, &receiver)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "home", "home/radiator/set")?;
    open_window(&client)?;
    wait_until("the receiver is gone", || Ok(refused_as_gone(&host)? == 1))?;
    host.stop()?;
    host.start()?;
    open_window(&client)?;
    wait_until("the next reminder is refused", || Ok(refused_as_gone(&host)? == 2))?;
    assert_eq!(receiver.asked().len(), 1, "who is gone is not asked");
    let doctor = host.command(&["doctor"])?;
    assert!(!doctor.status.success() && String::from_utf8_lossy(&doctor.stdout).contains("FAIL sinks hook gone"));
    let unknown = host.command(&["sink", "enable", "hok"])?;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean \"hook\"?"), "{unknown:?}");
    assert_eq!(unknown.status.code(), Some(2));
    let enabled = host.command(&["sink", "enable", "hook"])?;
    assert!(enabled.status.success(), "{enabled:?}");
    open_window(&client)?;
    wait_until("it is asked again", || Ok(receiver.asked().len() == 2))?;
    host.stop()
}

#[test]
fn attempts_and_waits_of_a_webhook_survive_kill_9() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let receiver = Receiver::start("500 Internal Server Error")?;
    let mut host = reminding(folder.path(), &broker, &receiver)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "home", "home/radiator/set")?;
    open_window(&client)?;
    wait_until("the first attempt is journalled", || Ok(attempts(&host)? == [1]))?;
    host.kill()?;
    host.start()?;
    wait_until("the second attempt is journalled", || Ok(attempts(&host)? == [1, 2]))?;
    let asked = receiver.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].1, asked[1].1, "one id over all attempts");
    assert!(asked[1].0 - asked[0].0 >= Duration::from_millis(4_900), "the wait of five seconds goes on");
    host.stop()
}

/// One cause, one reminder: the same report again, a stop and a crash are no new cause.
#[test]
fn a_window_that_stays_open_reminds_once_however_often_it_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let receiver = Receiver::start("200 OK")?;
    let mut host = reminding(folder.path(), &broker, &receiver)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "home", "home/radiator/set")?;
    open_window(&client)?;
    wait_until("people are reminded", || Ok(receiver.asked().len() == 1))?;
    wait_until("the answer is journalled", || Ok(host.accounts()?["accounts"]["waiting"] == 0))?;
    let still_open = || (0..20).try_for_each(|_| client.publish("home/window", r#"{"open":true}"#));
    still_open()?;
    host.stop()?;
    host.start()?;
    still_open()?;
    host.kill()?;
    host.start()?;
    still_open()?;
    // Reports come in order: what is said after them is heard after them.
    open_window(&client)?;
    wait_until("people are reminded again", || Ok(receiver.asked().len() >= 2))?;
    wait_until("nothing waits", || Ok(host.accounts()?["accounts"]["waiting"] == 0))?;
    let asked = receiver.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_ne!(asked[0].1, asked[1].1, "another opening is another reminder");
    host.stop()
}
