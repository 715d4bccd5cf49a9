//! Builds the program anew when a file joins or leaves the folders that it carries: the compiler watches contents only.

fn main() {
    for folder in ["../sdk/rust/template", "../sdk/rust/src", "../wit/v1"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
