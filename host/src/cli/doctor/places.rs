//! Devices whose payloads have no place for the effect's id: they cannot tell an attempt from the one before it.

use config::MqttVersion;
use model::Device;
use serde_json::{Value as Json, json};

/// By where the id goes: only into a property of MQTT 5, which a device that speaks 3.1.1 never sees, or nowhere.
pub(super) fn without(host: &config::Host) -> Json {
    let mut none = 0;
    let declared = host.devices(&mut |_| {
        none += 1;
        model::DeviceNo(none)
    });
    let fleets = host.patterns.iter().map(config::DevicePattern::device);
    let (mut property, mut nowhere) = (Vec::new(), Vec::new());
    for device in declared.iter().map(|device| &**device).chain(fleets).filter(|device| lacks(device)) {
        let list = if over_311(host, device) { &mut nowhere } else { &mut property };
        list.push(device.id.to_string());
    }
    json!({"only-in-a-property": property, "nowhere": nowhere})
}

fn lacks(device: &Device) -> bool {
    device.commands.values().any(|action| !delivery::carries_effect(&action.payload))
}

fn over_311(host: &config::Host, device: &Device) -> bool {
    let named = device.source.as_ref().and_then(|source| source.connection.as_ref());
    let server = match named {
        Some(name) => host.mqtt.iter().find(|server| server.name == *name),
        None if host.broker.is_some() => None,
        None => host.mqtt.first(),
    };
    server.is_some_and(|server| server.version == MqttVersion::V311)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_listed_by_where_the_id_goes() {
        let device = |id: &str, connection: &str, payload: &str| {
            format!(
                "[[device]]\nid = \"{id}\"\nkind = \"switch\"\n\
                 source = {{ connection = \"{connection}\", topic = \"{id}\" }}\n\
                 commands.on = {{ momentary = true, topic = \"{id}/set\", payload = '{payload}' }}\n"
            )
        };
        let text = "[[mqtt]]\nname = \"old\"\nurl = \"mqtt://a\"\nversion = \"3.1.1\"\n\
            [[mqtt]]\nname = \"new\"\nurl = \"mqtt://b\"\n"
            .to_owned()
            + &device("a", "old", "ON")
            + &device("b", "new", "ON")
            + &device("c", "old", r#"{"id":"{{ effect }}"}"#)
            + "[[device]]\nid = \"d\"\nkind = \"sensor\"\n";
        let host = config::Host::parse(&text, "f", std::path::Path::new("")).expect("valid");
        assert_eq!(without(&host), json!({"only-in-a-property": ["b"], "nowhere": ["a"]}));
    }
}
