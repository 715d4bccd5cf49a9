//! What the host refuses, and how it says so.

use anyhow::Result;

use crate::host::{Host, get, request};

const NOTHING: &str = "[[device]]\nid = \"lamp\"\nkind = \"switch\"\nsource = { topic = \"home/lamp\", readings = { switch = { path = \"/on\" } } }\n";

fn quiet(folder: &std::path::Path) -> Result<Host> {
    let port = crate::broker::free_port()?;
    Host::new(folder, &format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{NOTHING}"))
}

#[test]
fn a_misspelt_key_is_named_with_its_line_and_the_nearest_valid_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::new(folder.path(), "[[device]]\nid = \"lamp\"\nsuorce = 3\n")?;
    let output = host.command(&["run"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("suorce") && said.contains("source"), "{said}");
    Ok(())
}

#[test]
fn a_misspelt_device_or_capability_brings_the_nearest_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut host = quiet(folder.path())?;
    let shown = |host: &Host| -> Result<()> {
        let output = host.command(&["device", "show", "lmap"])?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("there is no device `lmap`: did you mean `lamp`?"), "{said}");
        Ok(())
    };
    shown(&host)?;
    host.start()?;
    shown(&host)?;
    let sent = host.command(&["device", "send", "lmap", "on"])?;
    let said = String::from_utf8_lossy(&sent.stderr).into_owned();
    assert!(!sent.status.success() && said.contains("did you mean `lamp`?"), "{said}");
    let answer = get(host.api, "/v1/devices/lmap")?;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("did you mean `lamp`?"), "{answer}");
    let body = r#"{"device":"lamp","readings":{"swich":true}}"#;
    let head = format!("Host: 127.0.0.1:{}\r\nContent-Type: application/json\r\nConnection: close\r\n", host.api);
    let length = body.len();
    let post = format!("POST /v1/events HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{body}");
    let answer = request(host.api, &post)?;
    assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("did you mean `switch`?"), "{answer}");
    host.stop()?;
    shown(&host)
}

/// Runs both commands that must refuse an installation, for a reason that each case names.
fn refused(host: &Host, wanted: &[&str], context: &str) -> Result<()> {
    for command in ["check", "run"] {
        let output = host.command(&[command])?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(2), "{context}, {command}: {said}");
        assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{context}, {command}: {said}");
    }
    Ok(())
}

#[test]
fn a_file_that_is_no_package_is_called_what_it_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = quiet(folder.path())?;
    let package = std::fs::read(crate::host::package_path("relay")?)?;
    let mut flipped = package.clone();
    // In the middle of the code: sections and manifest still read.
    let middle = flipped.len() / 2;
    flipped[middle..middle + 64].fill(0xff);
    let cases: [(&str, &[u8], &str); 5] = [
        ("truncated", &package[..package.len() / 3], "damaged or truncated WebAssembly"),
        ("flipped", &flipped, "damaged or truncated WebAssembly"),
        ("random", b"GIF89a and so on", "not a WebAssembly file"),
        ("empty", b"", "not a WebAssembly file"),
        ("core module", b"\0asm\x01\0\0\0", "a core module, not a component"),
    ];
    for (name, bytes, wanted) in cases {
        std::fs::write(folder.path().join("a.wasm"), bytes)?;
        // Its roles fit nothing either: what it is comes first.
        std::fs::write(folder.path().join("deployments/a.toml"), "[deployment]\npackage = \"a.wasm\"\n")?;
        refused(&host, &["a.wasm", wanted], name)?;
        let inspected = host.command(&["rule", "inspect", "a.wasm"])?;
        let said = String::from_utf8_lossy(&inspected.stderr).into_owned();
        assert!(said.contains(wanted), "{name}: {said}");
    }
    Ok(())
}

#[test]
fn what_would_fail_only_when_it_is_used_is_refused_with_its_line() -> Result<()> {
    const BROKER: &str = "[[mqtt]]\nname = \"shop\"\nurl = \"mqtts://127.0.0.1\"\n";
    const HOOK: &str = "[[sink]]\nname = \"pager\"\nwebhook = { url = \"https://127.0.0.1/hook\"";
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("text"), "hunter2hunter2hunter2hun")?;
    std::fs::write(folder.path().join("secret"), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")?;
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
    std::fs::write(folder.path().join("certificate"), certificate.pem())?;
    std::fs::write(folder.path().join("key"), key.serialize_pem())?;
    let own = |certificate: &str, key: &str| {
        format!("{BROKER}ca-file = \"certificate\"\ncertificate-file = \"{certificate}\"\nkey-file = \"{key}\"\n")
    };
    let cases = [
        (format!("{HOOK}, secret-file = \"text\" }}\n"), "sink.pager.webhook.secret-file", "`whsec_`", 3),
        (
            format!("{HOOK}, secret-file = \"secret\", ca-file = \"text\" }}\n"),
            "sink.pager.webhook.ca-file",
            "no certificate in",
            3,
        ),
        (format!("{BROKER}ca-file = \"text\"\n"), "mqtt.shop.ca-file", "no certificate in", 4),
        (own("certificate", "text"), "mqtt.shop.key-file", "failed to read the private key", 6),
        (own("text", "key"), "mqtt.shop.certificate-file", "no certificate in", 5),
        (
            "[[device]]\nid = \"lamp\"\nkind = \"switch\"\n\
             commands.on = { momentary = true, topic = \"lamp/set\", payload = \"{{ nope\" }\n"
                .to_owned(),
            "device.lamp.commands.on.payload",
            "syntax error",
            4,
        ),
    ];
    for (text, path, wanted, line) in cases {
        let host = Host::new(folder.path(), &text)?;
        let head =
            std::fs::read_to_string(folder.path().join("pointsman.toml"))?.lines().count() - text.lines().count();
        refused(&host, &[&format!("pointsman.toml:{}: {path}: ", head + line), wanted], path)?;
    }
    Ok(())
}

const DESK: &str = "[[device]]\nid = \"desk\"\nkind = \"contact\"\nsource = { topic = \"home/desk\", readings = { contact = { path = \"/on\" } } }\n";
const PASSING: &str =
    "[roles]\nbutton = [\"desk\"]\ndesk = [\"desk\"]\nlamp = [\"lamp\"]\n\n[grants]\nemit = [\"asked\"]\n";

#[test]
fn deployments_that_may_wake_each_other_for_ever_are_refused_unless_accepted() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = crate::broker::free_port()?;
    let broker = format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{NOTHING}{DESK}");
    let mut host = Host::new(folder.path(), &broker)?;
    let accepted = format!("accept-loops = true\n\n{PASSING}");
    for (one, other) in [(PASSING, PASSING), (&*accepted, PASSING)] {
        host.deploy("one", "relay", one)?;
        host.deploy("other", "relay", other)?;
        for command in ["check", "run"] {
            let output = host.command(&[command])?;
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert_eq!(output.status.code(), Some(2), "{command}: {said}");
            assert!(said.contains("may loop: one -(asked)-> other -(asked)-> one"), "{command}: {said}");
        }
    }
    host.deploy("other", "relay", &accepted)?;
    let output = host.command(&["check"])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("may loop: one -(asked)-> other"), "{said}");
    host.start()?;
    host.stop()
}

#[test]
fn a_second_process_does_not_open_the_same_store() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut host = quiet(folder.path())?;
    host.start()?;
    let output = host.command(&["run"])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("in use by another process"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    host.stop()
}

#[test]
fn the_api_takes_events_and_refuses_strangers() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut host = quiet(folder.path())?;
    host.start()?;
    let port = host.api;
    let post = |head: &str, body: &str| {
        let length = body.len();
        request(
            port,
            &format!("POST /v1/events HTTP/1.1\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"),
        )
    };
    let own = format!("Host: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n");
    let event = r#"{"at":"2026-05-02T05:14:00Z","id":"e1","device":"lamp","readings":{"switch":true}}"#;
    assert!(post(&own, event)?.starts_with("HTTP/1.1 202"), "{}", post(&own, event)?);
    let origin = post(&format!("{own}Origin: http://evil.example\r\n"), event)?;
    assert!(origin.starts_with("HTTP/1.1 403"), "{origin}");
    let foreign = post("Host: evil.example\r\nContent-Type: application/json\r\n", event)?;
    assert!(foreign.starts_with("HTTP/1.1 4"), "{foreign}");
    let form = post(&format!("Host: 127.0.0.1:{port}\r\nContent-Type: text/plain\r\n"), event)?;
    assert!(form.starts_with("HTTP/1.1 415"), "{form}");
    let twin = get(port, "/v1/devices/lamp")?;
    assert!(twin.contains("\"switch\""), "{twin}");
    assert!(get(port, "/metrics")?.contains("pointsman_turns_total"));
    host.stop()
}
