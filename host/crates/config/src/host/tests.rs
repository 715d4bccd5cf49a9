//! The installation as a folder: what is read from where, and how fleets become devices.

use std::path::Path as File;

use super::*;

/// A folder with these files, loaded.
fn load(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Host, String>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        std::fs::write(file, text).expect("written");
    }
    let shown = format!("{}/", folder.path().display());
    let host = Host::load(&folder.path().join("pointsman.toml"));
    (folder, host.map_err(|problems| problems.to_string().replace(&shown, "")))
}

const DEPLOYMENT: &str = "[deployment]\npackage = \"packages/a.wasm\"\n";
const TEMPLATE: &str = "class = \"service\"\npurpose = \"cargo\"\ntext.en = { title = \"a\", body = \"b\" }\n";

#[test]
fn an_empty_file_is_a_host_with_its_own_broker() {
    let host = Host::parse("", "pointsman.toml", File::new("/etc/hub")).expect("valid");
    assert_eq!(host.broker.map(|listen| listen.to_string()).as_deref(), Some("127.0.0.1:1883"));
    assert_eq!(host.data, File::new("/etc/hub/data"));
    assert_eq!((&*host.name, host.partitions, host.linger), ("pointsman", 16, Span::ZERO));
    let external = Host::parse("[[mqtt]]\nname = \"a\"\nurl = \"mqtt://b\"\n", "pointsman.toml", File::new(""));
    assert_eq!(external.expect("valid").broker, None);
}

#[test]
fn another_set_takes_the_place_of_what_lies_beside_the_file() {
    let (folder, own) = load(&[
        ("pointsman.toml", "[host]\nname = \"hub\"\ndevelopment = true\n"),
        ("deployments/own.toml", DEPLOYMENT),
        ("templates/own.toml", TEMPLATE),
        ("other/deployments/theirs.toml", DEPLOYMENT),
        ("other/templates/theirs.toml", TEMPLATE),
        ("wrong/deployments/bad.toml", "[deployment]\npackages = \"a\"\n"),
    ]);
    let names = |host: &Host| {
        let deployments = host.deployments.iter().map(|deployment| deployment.name.to_string()).collect::<Vec<_>>();
        (deployments, host.templates.keys().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(names(&own.expect("valid")), (vec!["own".to_owned()], vec!["own".to_owned()]));
    let file = folder.path().join("pointsman.toml");
    let with = |set: &str| Host::load_with(&file, &folder.path().join(set));
    let other = with("other").expect("valid");
    assert_eq!(names(&other), (vec!["theirs".to_owned()], vec!["theirs".to_owned()]));
    assert_eq!((&*other.name, other.data), ("hub", folder.path().join("data")), "all else is the file's own");
    let wrong = with("wrong").expect_err("a wrong key").to_string();
    assert!(wrong.contains("wrong/deployments/bad.toml") && wrong.contains("packages"), "{wrong}");
    assert_eq!(names(&with("none").expect("an empty set")), (Vec::new(), Vec::new()));
}

#[test]
fn templates_and_deployments_lie_beside_the_file() {
    let development = "[host]\ndevelopment = true\n";
    let (folder, host) = load(&[
        ("pointsman.toml", development),
        ("templates/excursion.toml", TEMPLATE),
        ("deployments/b.toml", DEPLOYMENT),
        ("deployments/a.toml", DEPLOYMENT),
        ("deployments/notes.md", "not read"),
    ]);
    let host = host.expect("valid");
    let names: Vec<_> = host.deployments.iter().map(|deployment| &*deployment.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(host.deployments[0].package, folder.path().join("packages/a.wasm"));
    assert_eq!(&*host.templates["excursion"].default_locale, "en");
}

#[test]
fn problems_of_all_files_come_at_once() {
    let (_folder, host) = load(&[
        ("pointsman.toml", "[hosts]\n"),
        (
            "templates/excursion.toml",
            "clas = \"service\"\npurpose = \"cargo\"\ntext.en = { title = \"a\", bdy = \"b\" }\n",
        ),
        ("deployments/a.toml", "[deployment]\npackages = \"a\"\n"),
        ("deployments/B c.toml", DEPLOYMENT),
    ]);
    assert_eq!(
        host.expect_err("four problems and more"),
        "deployments/B c.toml: the file's name is no name: use lower-case letters, digits and `-`, starting with a letter\n\
         deployments/a.toml:1: deployment.package: missing: expected a file, relative to the folder of this one\n\
         deployments/a.toml:2: deployment.packages: unknown field, did you mean \"package\"?\n\
         pointsman.toml:1: hosts: unknown field, did you mean \"host\"?\n\
         templates/excursion.toml: class: missing: expected one of \"safety\", \"service\", \"marketing\"\n\
         templates/excursion.toml:1: clas: unknown field, did you mean \"class\"?\n\
         templates/excursion.toml:3: text.en.body: missing: expected a text\n\
         templates/excursion.toml:3: text.en.bdy: unknown field, did you mean \"body\"?"
    );
}

#[test]
fn a_digest_is_required_outside_development() {
    let (_folder, host) = load(&[("pointsman.toml", ""), ("deployments/a.toml", DEPLOYMENT)]);
    assert_eq!(
        host.expect_err("no digest"),
        "deployments/a.toml:1: deployment.digest: missing: required unless development = true under [host]; \
         `pointsman rule inspect` shows it"
    );
}

#[test]
fn a_host_with_an_interlock_does_not_start() {
    let (_folder, host) = load(&[("pointsman.toml", ""), ("interlocks/frost.toml", "")]);
    let message = "interlocks/frost.toml: interlocks are not enforced yet: the host does not start while one is there";
    assert_eq!(host.expect_err("refused"), message);
    let (folder, host) = load(&[("pointsman.toml", "")]);
    std::fs::create_dir(folder.path().join("interlocks")).expect("a folder");
    assert!(host.is_ok());
    assert!(Host::load(&folder.path().join("pointsman.toml")).is_ok());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let problems = Host::load(File::new("/nowhere/pointsman.toml")).expect_err("not there");
    assert!(problems.to_string().starts_with("/nowhere/pointsman.toml: cannot read the file: "), "{problems}");
}

#[test]
fn undeclared_actions_have_a_topic_where_the_file_names_one() {
    let devices = "[[device]]\nid = \"lamp\"\nkind = \"switch\"\n\
        [[device]]\nid = \"truck-{n}/door\"\nkind = \"contact\"\nsource = { topic = \"trucks/{n}/door\" }\n";
    let host = |topic: &str| Host::parse(&format!("[commands]\ntopic = \"{topic}\"\n{devices}"), "f", File::new(""));
    let mut one = |_: &str| DeviceNo(1);
    let right = host("devices/{device}/commands").expect("valid");
    let lamp = right.devices(&mut one).named("lamp").cloned().expect("declared");
    let action = lamp.action("anything").expect("a way out");
    assert_eq!((&*action.topic, &*action.payload, action.momentary), ("devices/lamp/commands", "{{ command }}", false));
    let fleet = &right.patterns[0];
    let door = fleet.instantiate(&fleet.named("truck-7/door").expect("a member"), DeviceNo(2));
    assert_eq!(&*door.action("lock").expect("a way out").topic, "devices/truck-7/door/commands");
    assert!(host("devices/{id}/commands").expect_err("no such part").to_string().contains("{device}"));
    let none = Host::parse(devices, "f", File::new("")).expect("valid").devices(&mut one);
    assert_eq!(none.named("lamp").and_then(|lamp| lamp.action("on")), None);
}

#[test]
fn partitions_and_linger_end_at_their_limits() {
    let right = |text: &str| Host::parse(text, "f", File::new("")).is_ok();
    assert!(right("[host]\npartitions = 256\n[store]\nlinger = \"1m\"\n"));
    assert!(!right("[host]\npartitions = 257\n"));
    assert!(!right("[host]\npartitions = 0\n"));
    assert!(!right("[store]\nlinger = \"60001ms\"\n"));
}

#[test]
fn devices_take_their_numbers_and_fleets_wait() {
    let text = "[[device]]\nid = \"lamp\"\nkind = \"switch\"\n\
        [[device]]\nid = \"truck-{n}/door\"\nkind = \"contact\"\nsite = \"truck-{n}\"\nabout = { plate = \"B-{n}\" }\n\
        source = { topic = \"trucks/{n}/door\" }\navailability = { topic = \"trucks/{n}/status\" }\n\
        commands = { lock = { momentary = true, topic = \"trucks/{n}/lock\", payload = '{\"n\": 1}' } }\n";
    let host = Host::parse(text, "f", File::new("")).expect("valid");
    let devices = host.devices(&mut |id| DeviceNo(u32::try_from(id.len()).unwrap_or(0)));
    assert_eq!(devices.named("lamp").map(|lamp| lamp.number), Some(DeviceNo(4)));
    assert_eq!(devices.len(), 1);
    let fleet = &host.patterns[0];
    assert_eq!(fleet.heard(), ["trucks/+/door".into(), "trucks/+/status".into()]);
    let member = fleet.matches("trucks/7/status").expect("a member");
    assert_eq!(fleet.named("truck-7/door"), Some(member.clone()));
    let door = fleet.instantiate(&member, DeviceNo(9));
    assert_eq!((&*door.id, &*door.site, door.number), ("truck-7/door", "truck-7", DeviceNo(9)));
    assert_eq!(&*door.commands[&"lock".into()].topic, "trucks/7/lock");
    assert_eq!(&*door.commands[&"lock".into()].payload, "{\"n\": 1}");
    assert_eq!(door.about, [("plate".into(), model::Value::text("B-7"))]);
    assert_eq!(fleet.matches("trucks/7/lock"), None);
}
