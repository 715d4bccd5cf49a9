//! How the WebAssembly engine is set up: what is deterministic, what is allowed, how instances get their memory.

use std::path::PathBuf;

use model::limits;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Stack that a thread which calls guests must have: the guest's share and as much again for the host.
pub const THREAD_STACK: usize = 2 * GUEST_STACK;

/// Stack of guest code. QuickJS recurses about 1 000 deep in it; the 512 KiB that is usual ends at 400.
const GUEST_STACK: usize = 1024 * 1024;

/// Memory images up to this size are mapped copy-on-write even where they are mostly zero: a Python or JavaScript
/// package carries its heap as a snapshot of 10 to 60 MiB.
const IMAGE_BYTES: u64 = 64 * 1024 * 1024;

/// Instances alive at once in the pool: some hundred deployments on each of several engine threads, each with one.
const POOL_INSTANCES: u32 = 2_000;
/// Memories and tables in the pool: QuickJS has three of each. 4 GiB of address space a memory, 24 TiB in all, which
/// a 47-bit address space has and a 39-bit one has not.
const POOL_MEMORIES: u32 = 3 * POOL_INSTANCES;
/// Core modules in the pool: most components have three or four, Python with native packages some dozens.
const POOL_CORE_INSTANCES: u32 = 8 * POOL_INSTANCES;
/// The engine's own data about one component instance; the largest guest seen takes a third.
const POOL_INSTANCE_BYTES: usize = 4 * 1024 * 1024;

/// What a memory that goes back to the pool keeps of its pages, put back to what they were, where the kernel says which
/// were written to. A rule in Rust or C writes to a handful; giving those back and faulting them in again for the next
/// turn costs more than the rule.
const POOL_KEPT_BYTES: usize = 64 * 1024;

/// What a sandbox is made with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Folder for compiled packages; none compiles at every start. It must belong to this host alone.
    pub cache: Option<PathBuf>,
    pub pooling: Pooling,
}

/// Whether instances take their memory from a pool that is reserved at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// Where the address space allows it.
    #[default]
    Auto,
    On,
    Off,
}

/// An engine as `pooling` asks, and whether it has a pool.
///
/// Whether the address space is large enough depends on the processor, the kernel and the limits of the process; the
/// only reliable way to know is to reserve the pool.
pub(crate) fn engine(pooling: Pooling) -> wasmtime::Result<(Engine, bool)> {
    match pooling {
        Pooling::On => Ok((Engine::new(&pooled())?, true)),
        Pooling::Off => Ok((Engine::new(&config())?, false)),
        Pooling::Auto => match Engine::new(&pooled()) {
            Ok(engine) => Ok((engine, true)),
            Err(error) => {
                tracing::info!(%error, "no room for a pool of instances, so each is allocated on demand");
                Ok((Engine::new(&config())?, false))
            }
        },
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Results that differ between processors or runs: none.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .consume_fuel(true)
        .concurrency_support(false)
        // Room for deep recursion in interpreted languages.
        .max_wasm_stack(GUEST_STACK)
        // Instances share their initial memory until they write to it.
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(IMAGE_BYTES)
        // A trap's message names functions, never source lines.
        .generate_address_map(false);
    config
}

fn pooled() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(POOL_INSTANCES)
        .max_component_instance_size(POOL_INSTANCE_BYTES)
        .total_core_instances(POOL_CORE_INSTANCES)
        .total_memories(POOL_MEMORIES)
        .total_tables(POOL_MEMORIES)
        .table_elements(limits::INSTANCE_TABLE)
        .linear_memory_keep_resident(POOL_KEPT_BYTES)
        .table_keep_resident(POOL_KEPT_BYTES)
        .pagemap_scan(Enabled::Auto);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
