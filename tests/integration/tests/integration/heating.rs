//! A window and a radiator, and the rule that turns the heating down while the window is open.

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

pub(crate) const DEPLOYMENT: &str = r#"
[roles]
window = ["window"]
thermostat = ["radiator"]

[settings]
open-for = "3s"

[grants]
commands = ["thermostat:set"]
"#;

/// The deployment that turns down after another time than three seconds.
pub(crate) fn open_for(time: &str) -> String {
    DEPLOYMENT.replace("3s", time)
}

/// The devices on the embedded broker.
pub(crate) fn embedded(port: u16) -> String {
    format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{DEVICES}")
}

/// The devices on a broker beside the host.
pub(crate) fn mosquitto(port: u16) -> String {
    format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{port}\"\n{DEVICES}")
}
