//! Bindings generated from the contract: the world `rule`, and beside it what the wider worlds add to it.
//!
//! The packager forms the union of what a component's parts declare, so a rule that migrates or addresses people links
//! these parts besides `rule`, and a component imports only the interfaces that it calls.
#![allow(
    unsafe_code,
    unused,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

pub use rule::pointsman::rules::types;

/// The world `rule`.
pub mod rule {
    wit_bindgen::generate!({
        path: "wit",
        world: "pointsman:rules/rule",
        pub_export_macro: true,
        export_macro_name: "export_rule",
        generate_unused_types: true,
    });
    pub use export_rule as export;
}

/// What the worlds whose name ends in `-migrating` add.
pub mod migrating {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package pointsman:sdk;
            world migrating {
                export pointsman:rules/migration@1.0.0-rc.1;
            }
        ",
        world: "pointsman:sdk/migrating",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_migrating",
    });
    pub use export_migrating as export;
}

/// What the world `engagement` adds.
#[cfg(feature = "engagement")]
pub mod engagement {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package pointsman:sdk;
            world addressing {
                import pointsman:rules/people@1.0.0-rc.1;
            }
        ",
        world: "pointsman:sdk/addressing",
        generate_unused_types: true,
        with: {
            "pointsman:rules/types@1.0.0-rc.1": crate::component::bindings::rule::pointsman::rules::types,
            "pointsman:rules/people@1.0.0-rc.1": generate,
        },
    });
}
