//! The Unix socket: where it lies, and how it is bound so that only its owner can reach it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::server::BindError;

/// Longest path of a Unix socket, without its final zero: fixed by the operating system.
pub(crate) const PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Where the socket of the host with this data folder lies.
///
/// In a folder of its own whose mode is 0700: who may enter it is the operator.
#[must_use]
pub fn socket_path(data: &Path) -> PathBuf {
    data.join("control").join("pointsman.sock")
}

/// Binds the socket, after removing one that a killed host has left.
pub(crate) async fn bind(data: &Path) -> Result<UnixListener, BindError> {
    let path = socket_path(data);
    let bytes = path.as_os_str().len();
    if bytes > PATH_BYTES {
        return Err(BindError::SocketPath { path, bytes, limit: PATH_BYTES });
    }
    let failed = |source: io::Error| BindError::Socket { path: path.clone(), source };
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        // It may have existed with another mode.
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    match UnixStream::connect(&path).await {
        Ok(_) => return Err(BindError::SocketInUse { path }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(&path).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    UnixListener::bind(&path).map_err(failed)
}
