//! Deployments: what binds and what is left of powers. Refusals are fixtures.

use model::deployment::Hours;
use model::{Deployment, DeviceNo};

use super::*;
use crate::host::Scenario;
use crate::manifest::Manifest;

/// A rule and an installation, deployed.
fn deploy(rule: &str, scenario: &str) -> Result<Deployment, String> {
    let manifest = format!("[rule]\nid = \"r\"\nversion = \"1.0.0\"\n{rule}");
    let manifest = Manifest::parse(&manifest, "rule.toml").map_err(|problems| problems.to_string())?;
    let scenario = Scenario::parse(scenario, "deployment.toml", "d".into()).map_err(|problems| problems.to_string())?;
    let mut next = 0;
    let devices = scenario.devices(&mut |_| {
        next += 1;
        DeviceNo(next)
    });
    let installation = scenario.installation(&devices);
    resolve(&scenario.deployment, &manifest, PackageDigest([0; 32]), &installation).map_err(|p| p.to_string())
}

fn device(id: &str, site: &str, reading: &str) -> String {
    format!(
        "[[device]]\nid = \"{id}\"\nkind = \"meter\"\nsite = \"{site}\"\n\
         source = {{ topic = \"{id}\", readings = {{ {reading} }} }}\n"
    )
}

#[test]
fn one_device_a_site_is_not_many_where_the_key_is_the_site() {
    let devices =
        device("a", "x", "contact = {}") + &device("b", "y", "contact = {}") + &device("c", "y", "contact = {}");
    let bound = |key: &str, ids: &str| {
        deploy(&format!("key = \"{key}\"\n[roles.door]\n"), &format!("{devices}[roles]\ndoor = [{ids}]\n")).map(drop)
    };
    assert_eq!(bound("device", "\"a\""), Ok(()));
    let message = bound("device", "\"a\", \"b\"").expect_err("two");
    assert!(message.ends_with("role `door` takes one device, found 2"), "{message}");
    assert_eq!(bound("site", "\"a\", \"b\""), Ok(()));
    let message = bound("site", "\"b\", \"c\"").expect_err("two of one site");
    assert!(message.ends_with("role `door` takes one device a site, and site `y` has more"), "{message}");
}

#[test]
fn a_capability_of_no_fixed_unit_takes_the_one_its_devices_state() {
    let rule = "[roles.meter]\nmany = true\n[[trigger]]\nname = \"t\"\nkind = \"threshold\"\nrole = \"meter\"\n\
        when = { capability = \"tank\", above = \"1 m3\" }\n";
    let litres = device("a", "x", "tank = { unit = \"L\" }");
    let bind = "[roles]\nmeter = \"kind = 'meter'\"\n";
    let deployment = deploy(rule, &format!("{litres}{bind}")).expect("cubic metres are litres");
    assert!(format!("{:?}", deployment.triggers).contains("Above(1000.0)"), "{:?}", deployment.triggers);
    let two = format!("{litres}{}{bind}", device("b", "x", "tank = { unit = \"m3\" }"));
    let message = deploy(rule, &two).expect_err("two units");
    assert!(message.contains("device `b` reports `tank` in m3, another one in L"), "{message}");
    let bare = format!("{}{bind}", device("a", "x", "tank = {}"));
    let message = deploy(rule, &bare).expect_err("no unit");
    assert!(message.contains("tank: expected a bare number, as it has no unit, found one in m3"), "{message}");
}

#[test]
fn a_selector_takes_only_devices_with_the_roles_capabilities() {
    let devices = device("a", "x", "contact = {}") + &device("b", "x", "battery = {}");
    let scenario = format!("{devices}[roles]\ndoor = \"site = 'x'\"\n");
    let deployment = deploy("[roles.door]\ncapabilities = [\"contact\"]\n", &scenario).expect("one fits");
    assert_eq!(deployment.roles[0].members, [DeviceNo(1)]);
}

#[test]
fn members_of_fleets_are_bound_by_id_or_found_later() {
    let fleet = "[[device]]\nid = \"truck-{n}/door\"\nkind = \"contact\"\nsite = \"truck-{n}\"\n\
        source = { topic = \"trucks/{n}/door\", readings = { contact = {} } }\n";
    let rule = "[roles.door]\nmany = true\n";
    let named = deploy(rule, &format!("{fleet}[roles]\ndoor = [\"truck-7/door\"]\n")).expect("a member");
    assert_eq!(named.roles[0].members.len(), 1);
    let later = deploy(rule, &format!("{fleet}[roles]\ndoor = \"kind = 'contact'\"\n")).expect("none yet");
    assert!(later.roles[0].members.is_empty() && later.roles[0].selector.is_some());
}

#[test]
fn the_narrower_of_request_and_grant_is_left() {
    let siren = "[[device]]\nid = \"siren\"\nkind = \"siren\"\n[device.commands.on]\ncapability = \"siren\"\n\
        topic = \"siren\"\npayload = \"{{ value }}\"\n[roles]\nalarm = [\"siren\"]\n";
    let left = |request: &str, grant: &str| {
        let rule = format!("[roles.alarm]\n[requests]\ncommands = [{{ \"alarm:on\" = {{ value = {request} }} }}]\n");
        let scenario = format!(
            "{siren}[grants]\ncommands = [{{ \"alarm:on\" = {{ value = {grant} }} }}]\npriority = \"10..12\"\n"
        );
        deploy(&rule, &scenario)
            .map(|d| (format!("{:?}", d.grants.commands[0].arguments), d.grants.commands[0].priority))
    };
    let text = |text: &str| Ok((text.to_owned(), (10, 12)));
    assert_eq!(left("\"0..50\"", "\"20..80\""), text("{\"value\": Between(20.0, 50.0)}"));
    assert_eq!(left("\"0..50\"", "[10, 60]"), text("{\"value\": OneOf([Integer(10)])}"));
    assert_eq!(left("[\"low\", \"high\"]", "[\"high\"]"), text("{\"value\": OneOf([Text(\"high\")])}"));
    assert!(left("\"0..50\"", "\"51..60\"").is_err());
}

#[test]
fn hours_belong_to_a_granted_command_and_to_a_zone() {
    let siren = "[[device]]\nid = \"siren\"\nkind = \"siren\"\n[device.commands.on]\nmomentary = true\n\
        topic = \"siren\"\npayload = \"ON\"\n[roles]\nalarm = [\"siren\"]\n";
    let hours = |grants: &str| {
        let rule = "[roles.alarm]\n[requests]\ncommands = [\"alarm:on\"]\n";
        let scenario =
            format!("[site]\nzone = \"Europe/Berlin\"\n{siren}[grants]\ncommands = [\"alarm:on\"]\n{grants}");
        deploy(rule, &scenario).map(|deployment| deployment.grants.commands[0].hours.clone())
    };
    let expected = |from, to, zone: &str| Ok(Some(Hours { from, to, zone: zone.into() }));
    assert_eq!(hours(""), Ok(None));
    assert_eq!(hours("hours = { \"alarm:on\" = \"07:00-22:30\" }\n"), expected(420, 1_350, "Europe/Berlin"));
    let zoned = "hours = { \"alarm:on\" = \"22:00-06:00\" }\nzone = \"UTC\"\n";
    assert_eq!(hours(zoned), expected(1_320, 360, "UTC"));
    assert_eq!(hours("hours = { \"alarm:on\" = \"00:00-24:00\" }\n"), expected(0, 1_440, "Europe/Berlin"));
    for wrong in ["7:00-22:00", "07:00-07:00", "24:00-06:00", "07:00-24:01", "07:60-22:00", "07:00"] {
        let message = hours(&format!("hours = {{ \"alarm:on\" = \"{wrong}\" }}\n")).expect_err(wrong);
        assert!(message.contains("expected hours of the day"), "{message}");
    }
    let message = hours("hours = { \"alarm:off\" = \"07:00-22:00\" }\n").expect_err("not granted");
    assert!(message.contains("`alarm:off` is not granted, did you mean \"alarm:on\"?"), "{message}");
    assert!(hours("zone = \"UTC\"\n").is_err());
}

#[test]
fn what_is_not_granted_is_not_there() {
    let siren = "[[device]]\nid = \"siren\"\nkind = \"siren\"\n[roles]\nalarm = [\"siren\"]\n";
    let rule = "[roles.alarm]\n[requests]\ncommands = [\"alarm:on\"]\npublish = [\"a\"]\nemit = [\"e\"]\n";
    let deployment = deploy(rule, siren).expect("nothing is granted");
    assert_eq!(deployment.grants, model::deployment::Grants::default());
}
