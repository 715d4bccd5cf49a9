//! Packing and stripping, on binaries assembled here.

use super::*;

fn component() -> Vec<u8> {
    wat::parse_str(r#"(component (core module (func $named) (@custom ".debug_info" "lines")))"#).expect("a component")
}

fn custom_names(binary: &[u8]) -> Vec<String> {
    let custom = |payload| match payload {
        Ok(Payload::CustomSection(section)) => Some(section.name().to_owned()),
        _ => None,
    };
    Parser::new(0).parse_all(binary).filter_map(custom).collect()
}

#[test]
fn a_manifest_comes_out_as_it_went_in_and_replaces_the_one_before() {
    let first = with_manifest(&component(), "[rule]\nid = \"a\"").expect("a package");
    let second = with_manifest(&first, "[rule]\nid = \"ü\"").expect("a package");
    assert_eq!(manifest(&component()), None);
    assert_eq!(manifest(&second).as_deref(), Some("[rule]\nid = \"ü\""));
    assert_eq!(custom_names(&second).iter().filter(|name| *name == MANIFEST_SECTION).count(), 1);
    wasmparser::Validator::new().validate_all(&second).expect("still valid");
    assert_ne!(digest(&first), digest(&second));
}

#[test]
fn stripping_reaches_into_nested_modules() {
    let before = component();
    assert_eq!(custom_names(&before), [".debug_info", "name"]);
    let without_debug = strip_debug(&before).expect("a component");
    assert_eq!(custom_names(&without_debug), ["name"]);
    let without_names = strip_names(&before).expect("a component");
    assert_eq!(custom_names(&without_names), [""; 0]);
    wasmparser::Validator::new().validate_all(&without_names).expect("still valid");
}

#[test]
fn modules_that_cannot_be_wrapped_say_what_to_do() {
    let module = |text| wat::parse_str(text).expect("a module");
    assert_eq!(wrap(&component()), Err(Error::AlreadyComponent));
    assert_eq!(wrap(&module("(module)")), Err(Error::NoWorld));
    assert!(matches!(wrap(b"\0asm\x01"), Err(Error::NotAModule(_))));
    let wasi = module(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)) (@custom "component-type" ""))"#);
    assert_eq!(wrap(&wasi), Err(Error::Wasi { import: "fd_write".to_owned() }));
    let broken = module(r#"(module (@custom "component-type" "nonsense"))"#);
    assert!(matches!(wrap(&broken), Err(Error::Wrap(_))));
}

#[test]
fn truncated_binaries_are_damaged() {
    let whole = component();
    assert!(matches!(with_manifest(&whole[..whole.len() - 1], ""), Err(Error::Damaged(_))));
    assert!(matches!(strip_debug(&whole[..4]), Err(Error::Damaged(_))));
}
