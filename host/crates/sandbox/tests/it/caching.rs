//! Compiled packages come from the cache when they are whole and ours, and are compiled anew when they are not.

use std::fs;
use std::path::{Path, PathBuf};

use sandbox::{NewError, Options, Pooling, Sandbox, package};

use crate::guests::{PROBE, call, event, rule};

fn cached(folder: &Path) -> Sandbox {
    let options = Options { cache: Some(folder.to_owned()), pooling: Pooling::Off };
    Sandbox::new(options).unwrap()
}

/// Loads the probe and sees it work; the one file that the cache then holds.
fn works(folder: &Path) -> PathBuf {
    let program = cached(folder).load(&PROBE, &rule()).unwrap();
    assert_eq!(call(program.instantiate().unwrap().as_mut(), &event("nothing")).0, Ok(Vec::new()));
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "one package, one file, nothing half-written: {files:?}");
    files[0].clone()
}

#[test]
fn a_package_is_compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = works(&folder.path().join("compiled"));
    let name = file.file_name().unwrap().to_str().unwrap();
    let digest = package::digest(&PROBE).to_string();
    assert!(name.starts_with(digest.trim_start_matches("sha256:")) && name.ends_with(".cwasm"), "{name}");
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    works(file.parent().unwrap());
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written, "the second load wrote nothing");
}

#[test]
fn deployments_of_one_package_share_its_code_for_as_long_as_one_is_there() {
    let sandbox = Sandbox::new(Options { cache: None, pooling: Pooling::Off }).unwrap();
    let first = sandbox.load(&PROBE, &rule()).unwrap();
    let second = sandbox.load(&PROBE, &rule()).unwrap();
    assert_eq!(sandbox.packages(), 1);
    drop(first);
    assert_eq!(call(second.instantiate().unwrap().as_mut(), &event("nothing")).0, Ok(Vec::new()));
    drop(second);
    assert_eq!(sandbox.packages(), 0);
}

#[test]
fn a_damaged_file_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compiled");
    let file = works(&path);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let truncated = whole[..whole.len() / 2].to_vec();
    let longer = [whole.as_slice(), b"x"].concat();
    for damaged in [flipped, truncated, longer, Vec::new(), b"\x7fELF".to_vec()] {
        fs::write(&file, &damaged).unwrap();
        assert_eq!(works(&path), file);
        assert_eq!(fs::read(&file).unwrap().len(), whole.len(), "written anew");
    }
}

#[test]
fn native_code_without_our_mark_is_never_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compiled");
    let file = works(&path);
    // The engine's own format without our header: valid code, but nobody vouches for it.
    let header = 8 + 8 + 32;
    let bare = fs::read(&file).unwrap()[header..].to_vec();
    fs::write(&file, &bare).unwrap();
    works(&path);
    assert_ne!(fs::read(&file).unwrap(), bare);
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let options = Options { cache: Some(folder.path().to_owned()), pooling: Pooling::Off };
    let Err(NewError::Cache { source, .. }) = Sandbox::new(options) else { panic!("expected a refusal") };
    assert!(source.to_string().contains("chmod go-w"), "{source}");
}
