//! What the author of a package can do about imports that no host of ours needs.

/// One kind of toolchain: how its packages are recognised, and what to tell their authors.
struct Toolchain {
    /// Texts that its runtime leaves in every package.
    marks: &'static [&'static [u8]],
    /// Beginnings of names with which it signs.
    signs: &'static [&'static str],
    advice: &'static str,
}

/// In this order, because a runtime is itself built by another toolchain: QuickJS for components is signed by Rust.
const TOOLCHAINS: &[Toolchain] = &[
    Toolchain {
        marks: &[b"libpython", b"componentize-py"],
        signs: &["componentize-py", "Python"],
        advice: "build it with `componentize-py … componentize --stub-wasi`",
    },
    Toolchain {
        marks: &[b"quickjs", b"spidermonkey"],
        signs: &["componentize-qjs", "componentize-js", "ComponentizeJS", "JavaScript"],
        advice: "build it with `componentize-qjs --stub-wasi`, or with every feature of componentize-js disabled",
    },
    Toolchain {
        marks: &[],
        signs: &["Go", "TinyGo"],
        advice: "wrap its core module with an adapter that denies WASI instead of passing it on",
    },
    Toolchain {
        marks: &[],
        signs: &["rustc", "Rust"],
        advice: "build it for the target wasm32-unknown-unknown and wrap it with `pointsman rule build`",
    },
    Toolchain {
        marks: &[],
        signs: &["clang", "C11", "C++"],
        advice: "leave out stdio, files and clocks, or wrap its core module with an adapter that denies WASI",
    },
];

/// What usually removes WASI from a package that was made like this one.
pub(crate) fn against_wasi(package: &[u8], producers: &[String]) -> &'static str {
    let holds = |mark: &[u8]| package.windows(mark.len()).any(|window| window == mark);
    let signed = |sign: &str| {
        let by = |name: &String| name.strip_prefix(sign).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        producers.iter().any(by)
    };
    let made_by = |toolchain: &&Toolchain| {
        toolchain.signs.iter().any(|sign| signed(sign)) || toolchain.marks.iter().any(|mark| holds(mark))
    };
    TOOLCHAINS.iter().find(made_by).map_or(
        "use `--stub-wasi` of componentize-py or componentize-qjs, the target wasm32-unknown-unknown in Rust, or an \
         adapter that denies WASI in C and Go; or allow the compatibility linker in its deployment",
        |toolchain| toolchain.advice,
    )
}
