//! Files as users write them: those that are right, and those that are wrong with all that is said about them.
//!
//! Beside each wrong `NAME.toml` stands `NAME.txt` with its problems. `POINTSMAN_WRITE_FIXTURES=1` writes what is said
//! now, to be read before it is committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::deployment::PackageDigest;
use model::{Deployment, DeviceNo};
use pointsman_config::{DeploymentFile, Host, Manifest, Problems, Scenario, resolve};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Reads every `.toml` of a folder and compares what is said with the text beside it.
fn check(folder: &str, read: impl Fn(&str, &str) -> Result<(), Problems>) {
    let folder = fixtures().join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    assert!(files.len() > 1, "{} has fixtures", folder.display());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let said = read(&text, name).err().map(|problems| format!("{problems}\n"));
        let beside = file.with_extension("txt");
        if let (Some(said), true) = (&said, std::env::var_os("POINTSMAN_WRITE_FIXTURES").is_some()) {
            std::fs::write(&beside, said).expect("written");
        }
        let expected = std::fs::read_to_string(&beside).ok();
        assert_eq!(said, expected, "{}", file.display());
    }
}

#[test]
fn manifests() {
    check("manifest", |text, name| Manifest::parse(text, name).map(drop));
}

#[test]
fn hosts() {
    let folder = fixtures().join("host");
    check("host", |text, name| Host::parse(text, name, &folder).map(drop));
}

#[test]
fn scenarios() {
    check("scenario", |text, name| Scenario::parse(text, name, "scenario".into()).map(drop));
}

/// Deployments of the one rule in the one installation that lie in the folder below.
fn deploy(text: &str, name: &str) -> Result<Deployment, Problems> {
    let folder = fixtures().join("deployment/installation");
    let host = Host::load(&folder.join("pointsman.toml")).expect("the installation is right");
    let rule = std::fs::read_to_string(folder.join("rule.toml")).expect("a manifest");
    let manifest = Manifest::parse(&rule, "rule.toml").expect("the manifest is right");
    let stem = name.trim_end_matches(".toml");
    let file = DeploymentFile::parse(text, name, stem.into(), &folder)?;
    let mut next = 0;
    let devices = host.devices(&mut |_| {
        next += 1;
        DeviceNo(next)
    });
    resolve(&file, &manifest, PackageDigest([7; 32]), &host.installation(&devices))
}

#[test]
fn deployments() {
    check("deployment", |text, name| deploy(text, name).map(drop));
}

#[test]
fn a_deployment_resolves_to_what_the_engine_runs() {
    let text = std::fs::read_to_string(fixtures().join("deployment/right.toml")).expect("a fixture");
    let deployment = deploy(&text, "right.toml").expect("it is right");
    assert_eq!(deployment.package.to_string(), "cold-chain-guard@1.2.0");
    assert_eq!(&*deployment.settings, r#"{"hold":"30m","limit":"46.4 [degF]","zone":"UTC"}"#);
    let members: BTreeMap<_, _> = deployment.roles.iter().map(|role| (&*role.name, role.members.len())).collect();
    assert_eq!(members, BTreeMap::from([("alarm", 1), ("probe", 2)]));
    assert!(deployment.roles.iter().all(|role| role.selector.is_some() == (&*role.name == "probe")));
    let commands = &deployment.grants.commands;
    assert_eq!(commands.len(), 1);
    assert_eq!(commands[0].priority, (9, 16));
    assert_eq!(format!("{:?}", commands[0].arguments), r#"{"volume": Between(0.0, 20.0)}"#);
    assert_eq!(deployment.grants.notifications[0].class.word(), "service");
    assert_eq!(deployment.grants.publish, ["pointsman/excursions/+".into()]);
    assert_eq!(deployment.triggers.len(), 2);
}
