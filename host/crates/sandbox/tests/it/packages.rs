//! What is no package for this host is refused with a sentence that says what to do.

use model::deployment::World;
use model::limits;
use sandbox::{LoadOptions, PackageError, package};

use crate::guests::{PROBE, WASI, rule, sandbox};

fn refused(bytes: &[u8]) -> PackageError {
    let error = sandbox::inspect(bytes).unwrap_err();
    let Err(loaded) = sandbox().load(bytes, &rule()) else { panic!("inspect refuses what load takes: {error}") };
    // The two may find different faults in a file that is damaged in several ways, but neither accepts it.
    assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&loaded), "{error} / {loaded}");
    error
}

fn load(bytes: &[u8], options: &LoadOptions) -> PackageError {
    match sandbox().load(bytes, options) {
        Ok(_) => panic!("loaded"),
        Err(error) => error,
    }
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A component that exports an empty interface of this name and imports these.
fn exporting(name: &str, imports: &[&str]) -> Vec<u8> {
    let imports: String = imports.iter().map(|import| format!(r#"(import "{import}" (instance))"#)).collect();
    component(&format!(r#"(component {imports} (instance $i) (export "{name}" (instance $i)))"#))
}

#[test]
fn a_rule_is_inspected_without_running_it() {
    let packed = package::with_manifest(&PROBE, "[rule]\nid = \"probe\"").unwrap();
    let inspection = sandbox::inspect(&packed).unwrap();
    assert_eq!((inspection.world, inspection.size, inspection.migrates), (World::Rule, packed.len(), false));
    assert_eq!(inspection.manifest.as_deref(), Some("[rule]\nid = \"probe\""));
    assert_eq!(inspection.digest, package::digest(&packed));
    assert!(inspection.imports.contains(&"pointsman:rules/state@1.0.0-rc.1".to_owned()), "{inspection:?}");
    assert_eq!(inspection.exports, ["pointsman:rules/handler@1.0.0-rc.1"]);
    assert_eq!(inspection.wasi().count(), 0);
    assert!(inspection.producers.iter().any(|name| name.starts_with("rustc ")), "{:?}", inspection.producers);
    assert!(sandbox().load(&packed, &rule()).is_ok(), "the manifest does not disturb");
}

#[test]
fn a_core_module_is_told_to_be_wrapped() {
    assert_eq!(refused(&component("(module)")), PackageError::CoreModule);
    assert!(PackageError::CoreModule.to_string().contains("pointsman rule build"));
}

#[test]
fn files_that_are_no_webassembly_are_refused() {
    assert_eq!(refused(b""), PackageError::NotWasm);
    assert_eq!(refused(b"#!/bin/sh\n"), PackageError::NotWasm);
    let random: Vec<u8> = (0..10_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(refused(&random), PackageError::NotWasm);
    assert!(matches!(refused(&[b"\0asm", &random[..]].concat()), PackageError::Damaged(_)));
}

#[test]
fn a_truncated_package_is_refused_wherever_it_ends() {
    for eighths in 1..8 {
        let cut = &PROBE[..PROBE.len() * eighths / 8];
        let error = sandbox::inspect(cut).unwrap_err();
        assert!(matches!(error, PackageError::Damaged(_) | PackageError::ForeignWorld { .. }), "{eighths}/8: {error}");
    }
    assert!(matches!(refused(&PROBE[..PROBE.len() - 1]), PackageError::Damaged(_)));
}

#[test]
fn a_package_with_damaged_code_is_refused() {
    let mut damaged = PROBE.clone();
    let code = damaged.len() / 3;
    damaged[code..code + 64].fill(0xff);
    assert!(matches!(refused(&damaged), PackageError::Damaged(_)));
}

#[test]
fn size_is_looked_at_first() {
    let mut large = PROBE.clone();
    // A custom section that fills the package to its limit.
    let filler = limits::PACKAGE_BYTES - large.len() - 1 - 4;
    let mut section = vec![0_u8];
    section.extend([
        filler as u8 | 0x80,
        (filler >> 7) as u8 | 0x80,
        (filler >> 14) as u8 | 0x80,
        (filler >> 21) as u8,
    ]);
    section.resize(1 + 4 + filler, 0);
    large.extend(section);
    assert_eq!(large.len(), limits::PACKAGE_BYTES);
    assert!(sandbox::inspect(&large).is_ok());
    large.push(0);
    assert_eq!(refused(&large), PackageError::TooLarge { size: limits::PACKAGE_BYTES + 1 });
}

#[test]
fn a_foreign_world_is_named() {
    let error = refused(&exporting("wasi:http/incoming-handler@0.2.0", &[]));
    assert_eq!(error, PackageError::ForeignWorld { exports: vec!["wasi:http/incoming-handler@0.2.0".to_owned()] });
    assert!(error.to_string().contains("but `wasi:http/incoming-handler@0.2.0`"), "{error}");
    assert!(matches!(refused(&component("(component)")), PackageError::ForeignWorld { .. }));
}

#[test]
fn another_version_of_the_contract_is_named() {
    let error = refused(&exporting("pointsman:rules/handler@0.9.0", &[]));
    assert_eq!(error, PackageError::Version { found: "0.9.0".to_owned() });
}

#[test]
fn worlds_that_are_known_but_not_run_yet_are_told_apart() {
    for (export, world) in [("codec-handler", World::Codec), ("vetting", World::Interlock)] {
        let bytes = exporting(&format!("pointsman:rules/{export}@1.0.0-rc.1"), &[]);
        assert_eq!(sandbox::inspect(&bytes).unwrap().world, world);
        assert_eq!(load(&bytes, &LoadOptions { world, ..rule() }), PackageError::NotRunYet { world });
        assert_eq!(load(&bytes, &rule()), PackageError::WrongWorld { found: world, wanted: World::Rule });
        assert_eq!(
            load(&PROBE, &LoadOptions { world, ..rule() }),
            PackageError::WrongWorld { found: World::Rule, wanted: world }
        );
    }
}

#[test]
fn a_package_about_people_is_no_rule() {
    let bytes = exporting("pointsman:rules/handler@1.0.0-rc.1", &["pointsman:rules/people@1.0.0-rc.1"]);
    assert_eq!(sandbox::inspect(&bytes).unwrap().world, World::Engagement);
    let error = load(&bytes, &rule());
    assert_eq!(error, PackageError::WrongWorld { found: World::Engagement, wanted: World::Rule });
    assert!(
        sandbox().load(&PROBE, &LoadOptions { world: World::Engagement, ..rule() }).is_ok(),
        "but a rule may run there"
    );
}

#[test]
fn imports_that_the_world_does_not_have_are_named() {
    for import in ["acme:db/query@1.0.0", "pointsman:rules/actuating@1.0.0-rc.1"] {
        let bytes = exporting("pointsman:rules/handler@1.0.0-rc.1", &[import]);
        let error = load(&bytes, &rule());
        assert_eq!(error, PackageError::UnknownImport { import: import.to_owned(), world: World::Rule });
    }
}

#[test]
fn a_handler_of_another_shape_does_not_fit() {
    let error = load(&exporting("pointsman:rules/handler@1.0.0-rc.1", &[]), &rule());
    assert!(matches!(error, PackageError::Mismatch(_)), "{error}");
}

#[test]
fn wasi_without_leave_is_refused_with_the_flag_that_avoids_it() {
    let PackageError::Wasi { imports, hint } = load(&WASI, &rule()) else { panic!("expected `wasi`") };
    assert!(imports.iter().all(|import| import.starts_with("wasi:")) && !imports.is_empty(), "{imports:?}");
    assert!(hint.contains("wasm32-unknown-unknown"), "{hint}");
    assert!(sandbox().load(&WASI, &LoadOptions { compatibility: true, ..rule() }).is_ok());
}

#[test]
fn each_toolchain_gets_its_own_advice() {
    let advice = |tool: &str| {
        let text = format!(
            r#"(component (import "wasi:io/poll@0.2.9" (instance)) (instance $i)
                 (export "pointsman:rules/handler@1.0.0-rc.1" (instance $i)) (core module (@producers {tool})))"#
        );
        load(&component(&text), &rule()).to_string()
    };
    assert!(
        advice(r#"(processed-by "componentize-py" "0.25.1")"#).contains("componentize-py … componentize --stub-wasi")
    );
    assert!(advice(r#"(language "JavaScript" "")"#).contains("componentize-qjs --stub-wasi"));
    assert!(advice(r#"(language "Go" "1.27")"#).contains("an adapter that denies WASI"));
    assert!(advice(r#"(processed-by "clang" "19")"#).contains("an adapter that denies WASI"));
    // QuickJS and Python sign as what their runtimes were built with; their own texts come first.
    assert!(advice(r#"(processed-by "rustc" "1.96 quickjs")"#).contains("componentize-qjs --stub-wasi"));
    assert!(advice(r#"(processed-by "acme" "1")"#).contains("compatibility linker"));
}

#[test]
fn wasi_http_is_not_in_the_compatibility_linker() {
    let bytes = exporting("pointsman:rules/handler@1.0.0-rc.1", &["wasi:http/types@0.2.10"]);
    let error = load(&bytes, &LoadOptions { compatibility: true, ..rule() });
    assert!(
        matches!(&error, PackageError::ForeignWasi { import, .. } if import == "wasi:http/types@0.2.10"),
        "{error}"
    );
}
