//! Compiled packages on disk, so that a start does not compile again.
//!
//! A compiled package is native code, so only files that this host wrote are loaded: the folder must be closed to
//! others, and each file carries its length and digest, checked on the very bytes that are then loaded. A file that
//! is damaged, foreign or from another engine is compiled anew; it is never an error.

use std::fs;
use std::hash::{Hash as _, Hasher};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use model::deployment::PackageDigest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// First bytes of every file: what it is, and the version of this layout.
const MAGIC: &[u8; 8] = b"pmcwasm\x01";
/// Magic, length of the code as 8 bytes little-endian, SHA-256 of the code.
const HEADER: usize = MAGIC.len() + 8 + 32;

/// A folder of compiled packages for one engine.
pub(crate) struct Cache {
    folder: PathBuf,
    /// Names the engine's version and settings.
    compatibility: String,
}

impl Cache {
    /// Uses `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or when others may write to it.
    pub(crate) fn open(folder: PathBuf, engine: &Engine) -> io::Result<Self> {
        create_private(&folder)?;
        let mut hasher = Stable(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { folder, compatibility: format!("{:016x}", hasher.finish()) })
    }

    /// The compiled package, if there is a sound file of it.
    pub(crate) fn load(&self, engine: &Engine, digest: PackageDigest) -> Option<Component> {
        let path = self.path(digest);
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read a compiled package, compiling it again");
                return None;
            }
        };
        let Some(code) = verified(&file) else {
            tracing::warn!(path = %path.display(), "a compiled package is damaged, compiling it again");
            return None;
        };
        match deserialize(engine, code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled package does not load, compiling it again");
                None
            }
        }
    }

    /// Keeps a compiled package. A failure costs the next start some time and nothing else.
    pub(crate) fn store(&self, digest: PackageDigest, component: &Component) {
        let path = self.path(digest);
        let kept = component
            .serialize()
            .map_err(|error| io::Error::other(format!("{error:#}")))
            .and_then(|code| write(&path, &code));
        if let Err(error) = kept {
            tracing::warn!(path = %path.display(), %error, "cannot keep a compiled package");
        }
    }

    fn path(&self, digest: PackageDigest) -> PathBuf {
        self.folder.join(format!("{}-{}.cwasm", hex::encode(digest.0), self.compatibility))
    }
}

/// Loads native code.
#[expect(unsafe_code, reason = "the engine offers no checked way to load code that it compiled before")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` was written by `write` below, from `Component::serialize`, into a folder that only this user may
    // write to, and its digest was checked on these very bytes. The engine itself refuses other versions and settings.
    unsafe { Component::deserialize(engine, code) }
}

/// The code of a file whose length and digest are right.
fn verified(file: &[u8]) -> Option<&[u8]> {
    let (header, code) = file.split_at_checked(HEADER)?;
    let rest = header.strip_prefix(MAGIC)?;
    let (length, digest) = rest.split_at_checked(8)?;
    let right = length == (code.len() as u64).to_le_bytes() && digest == Sha256::digest(code).as_slice();
    right.then_some(code)
}

/// Writes beside and renames, so that a file under its name is always whole.
fn write(path: &Path, code: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let beside = path.with_extension(format!("{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let written = fs::File::create_new(&beside).and_then(|mut file| {
        file.write_all(MAGIC)?;
        file.write_all(&(code.len() as u64).to_le_bytes())?;
        file.write_all(&Sha256::digest(code))?;
        file.write_all(code)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        // The file may not even exist; what went wrong first is what the caller hears.
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(unix)]
fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    /// Write permission of group and others.
    const OTHERS_WRITE: u32 = 0o022;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mode = fs::metadata(folder)?.permissions().mode();
    if mode & OTHERS_WRITE != 0 {
        let why = format!("others may write to {} (mode {:o}): run `chmod go-w`", folder.display(), mode & 0o777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

#[cfg(not(unix))]
fn create_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// A hasher whose result is the same in every build, unlike the standard library's.
struct Stable(Sha256);

impl Hasher for Stable {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(first)
    }
}
