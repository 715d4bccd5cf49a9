//! The sandbox itself: one engine, one cache, and the way from bytes to a program.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::deployment::{Limits, PackageDigest, World};
use model::guest;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::bindings::EngagementPre;
use crate::cache::Cache;
use crate::inspection::{self, Inspection, PackageError};
use crate::linker;
use crate::program::Program;
use crate::settings::{self, Options};

/// Loads packages. One serves all engine threads of a host.
pub struct Sandbox {
    engine: Engine,
    pooled: bool,
    cache: Option<Cache>,
    /// The code of packages that some program still has: the same for all its deployments, a few hundred kilobytes.
    loaded: Mutex<HashMap<PackageDigest, Weak<Component>>>,
}

/// How one deployment wants its package loaded.
#[derive(Debug, Clone, Copy)]
pub struct LoadOptions {
    /// What the manifest says.
    pub world: World,
    /// Whether the deployment allows WASI: virtual, with nothing behind it.
    pub compatibility: bool,
    pub limits: Limits,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    #[error("cannot use the folder for compiled packages {}", path.display())]
    Cache { path: PathBuf, source: io::Error },
}

impl Sandbox {
    /// Sets up an engine, with a pool of instances where `options` ask for one.
    ///
    /// # Errors
    /// When a pool is demanded and the address space has no room for it, or when the cache folder cannot be used.
    pub fn new(options: Options) -> Result<Self, NewError> {
        let (engine, pooled) =
            settings::engine(options.pooling).map_err(|error| NewError::Engine(format!("{error:#}")))?;
        let open =
            |path: PathBuf| Cache::open(path.clone(), &engine).map_err(|source| NewError::Cache { path, source });
        let cache = options.cache.map(open).transpose()?;
        Ok(Self { engine, pooled, cache, loaded: Mutex::default() })
    }

    /// Whether instances take their memory from a pool.
    #[must_use]
    pub fn pooled(&self) -> bool {
        self.pooled
    }

    /// Compiles and links a package, or takes it from the cache. Seconds for a Python package, milliseconds for others.
    ///
    /// # Errors
    /// When the package is no component of the wanted world, or imports what its deployment does not allow.
    pub fn load(&self, package: &[u8], options: &LoadOptions) -> Result<Arc<dyn guest::Program>, PackageError> {
        let inspection = inspection::read(package)?;
        inspection::admit(package, &inspection, options.world, options.compatibility)?;
        let compatibility = inspection.wasi().next().is_some();
        let code = self.code(package, &inspection)?;
        let linker = linker::linker(&self.engine, options.world, compatibility)?;
        let mismatch = |error| PackageError::Mismatch(format!("{error:#}"));
        let pre = linker.instantiate_pre(&code).map_err(mismatch)?;
        let pre = EngagementPre::new(pre).map_err(mismatch)?;
        Ok(Arc::new(Program { pre, _code: code, digest: inspection.digest, limits: options.limits, compatibility }))
    }

    /// Packages whose code is in memory, each once.
    #[must_use]
    pub fn packages(&self) -> usize {
        self.loaded().values().filter(|code| code.strong_count() > 0).count()
    }

    /// The package's code, shared with the programs that have it already.
    fn code(&self, package: &[u8], inspection: &Inspection) -> Result<Arc<Component>, PackageError> {
        if let Some(code) = self.loaded().get(&inspection.digest).and_then(Weak::upgrade) {
            return Ok(code);
        }
        // Compiled without the lock: two at once do the work twice, and nobody waits for another package.
        let code = Arc::new(self.component(package, inspection)?);
        let mut loaded = self.loaded();
        loaded.retain(|_, code| code.strong_count() > 0);
        loaded.insert(inspection.digest, Arc::downgrade(&code));
        Ok(code)
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<PackageDigest, Weak<Component>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn component(&self, package: &[u8], inspection: &Inspection) -> Result<Component, PackageError> {
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, inspection.digest)) {
            return Ok(component);
        }
        // What the compiler refuses is the package's fault when it is invalid, and the engine's otherwise.
        let component = Component::new(&self.engine, package).map_err(|error| match inspection::inspect(package) {
            Err(invalid) => invalid,
            Ok(_) => PackageError::Engine(format!("{error:#}")),
        })?;
        if let Some(cache) = &self.cache {
            cache.store(inspection.digest, &component);
        }
        Ok(component)
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("pooled", &self.pooled).field("cached", &self.cache.is_some()).finish()
    }
}
