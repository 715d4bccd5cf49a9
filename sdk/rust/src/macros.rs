//! The macros that make a rule the component's handler.

/// Makes a type that implements [`crate::Rule`] the handler of a component of world `rule`.
///
/// `rule!(Guard, migrating)` also exports [`crate::Migrate`]. Natively it only checks that they are implemented.
#[macro_export]
macro_rules! rule {
    ($rule:ident) => {
        $crate::__component!($rule);
    };
    ($rule:ident, migrating) => {
        $crate::__component!($rule);
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(u32, &mut dyn $crate::native::Platform) -> ::core::result::Result<(), ::std::string::String> =
            $crate::native::upgrade::<$rule>;
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::component::bindings::migrating as world;

            struct Exported;

            impl world::exports::pointsman::rules::migration::Guest for Exported {
                fn upgrade(old_version: u32) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::component::upgrade::<$rule>(old_version)
                }
            }

    world::export!(Exported with_types_in world);
        };
    };
}

/// Makes a type that implements [`crate::Rule`] the handler of a component of world `engagement`.
///
/// The same as [`crate::rule!`], for a crate that has asked for the feature `engagement` and may ask about people.
#[cfg(feature = "engagement")]
#[macro_export]
macro_rules! engagement {
    ($($arguments:tt)*) => {
        $crate::rule!($($arguments)*);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __component {
    ($rule:ident) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(&str) -> ::core::result::Result<$crate::native::Program<$rule>, $crate::Failure> =
            $crate::native::Program::new;
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::component::bindings::rule as world;

            struct Exported;

            ::std::thread_local! {
                // An instance belongs to one deployment, so its settings are read once.
                static SETTINGS: $crate::component::Settings<$rule> = const { $crate::component::Settings::new() };
            }

            impl world::exports::pointsman::rules::handler::Guest for Exported {
                fn validate(settings: ::std::string::String) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::component::validate::<$rule>(&settings)
                }

                fn handle(event: $crate::component::Event) -> $crate::component::Handled {
                    SETTINGS.with(|settings| $crate::component::handle::<$rule>(settings, event))
                }
            }

    world::export!(Exported with_types_in world);
        };
    };
}
