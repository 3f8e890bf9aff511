//! The engine: one per process, the same settings on every host of a channel.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};

use cordon_types::ContractId;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker};
use wasmtime::{
    CacheStore, Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::code::{CodeKey, CodeMaker, Functions};
use crate::contract::{Compiled, Contract};
use crate::error::{HostError, InstallError, LinkError};
use crate::host::{CallState, add_to_linker};
use crate::install;
use crate::link::Links;
use crate::profile::{CALLS_MAX, Compiler, KEEP_RESIDENT_BYTES, Profile};

/// Compiles components and holds what all calls share. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    engine: Engine,
    linker: Arc<Linker<CallState>>,
    profile: Arc<Profile>,
    compiler: Arc<Compiling>,
    /// Components compiled before that are still in use, by SHA-256: hosts of one process share them.
    compiled: Arc<Mutex<BTreeMap<[u8; 32], Weak<Compiled>>>>,
}

/// How components become code.
enum Compiling {
    /// In this process.
    Here,
    /// Elsewhere; one at a time, because all pass through the same functions.
    Elsewhere {
        maker: Arc<dyn CodeMaker>,
        functions: Arc<Functions>,
        turn: Mutex<()>,
    },
}

impl Runtime {
    /// An engine with the limits of `profile`, which compiles in this process: for components that one
    /// has made oneself.
    ///
    /// # Errors
    /// [`HostError::Engine`] when this machine cannot run it (for example too little address space), or
    /// this build does not have its compiler.
    pub fn new(profile: Profile) -> Result<Self, HostError> {
        Self::with(profile, None, Compiling::Here)
    }

    /// An engine that has components compiled elsewhere: what hosts use.
    ///
    /// # Errors
    /// As [`Runtime::new`].
    pub fn with_code_from(profile: Profile, maker: Arc<dyn CodeMaker>) -> Result<Self, HostError> {
        let functions = Arc::<Functions>::default();
        let compiler = Compiling::Elsewhere {
            maker,
            functions: Arc::clone(&functions),
            turn: Mutex::new(()),
        };
        Self::with(profile, Some(functions), compiler)
    }

    /// An engine that compiles here and lets all functions be seen.
    pub(crate) fn collecting(
        profile: Profile,
        functions: Arc<dyn CacheStore>,
    ) -> Result<Self, HostError> {
        Self::with(profile, Some(functions), Compiling::Here)
    }

    fn with(
        profile: Profile,
        functions: Option<Arc<dyn CacheStore>>,
        compiler: Compiling,
    ) -> Result<Self, HostError> {
        let engine_error = |error: wasmtime::Error| HostError::Engine(error.to_string());
        let mut config = config(&profile).map_err(engine_error)?;
        if let Some(functions) = functions {
            config
                .enable_incremental_compilation(functions)
                .map_err(engine_error)?;
        }
        let engine = Engine::new(&config).map_err(engine_error)?;
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker).map_err(engine_error)?;
        Ok(Self {
            engine,
            linker: Arc::new(linker),
            profile: Arc::new(profile),
            compiler: Arc::new(compiler),
            compiled: Arc::default(),
        })
    }

    /// Checks and compiles a component.
    ///
    /// # Errors
    /// [`InstallError`] naming the import, export or limit that stands in the way.
    pub fn compile(&self, bytes: &[u8]) -> Result<Arc<Compiled>, InstallError> {
        let hash = Sha256::digest(bytes).into();
        let known = self.compiled.lock().get(&hash).and_then(Weak::upgrade);
        if let Some(known) = known {
            return Ok(known);
        }
        install::check_size(bytes, &self.profile)?;
        let invalid = |error: wasmtime::Error| InstallError::Invalid(format!("{error:#}"));
        let component = match &*self.compiler {
            Compiling::Here => {
                install::check(bytes, &self.profile)?;
                Component::from_binary(&self.engine, bytes).map_err(invalid)?
            }
            Compiling::Elsewhere {
                maker,
                functions,
                turn,
            } => {
                // Whoever makes code has checked the component first: reading a hostile one can take
                // time and stack, too.
                let code = maker.make(bytes, &self.code_key(hash))?;
                let _turn = turn.lock();
                functions
                    .during(code, || Component::from_binary(&self.engine, bytes))
                    .map_err(invalid)?
            }
        };
        let compiled = Arc::new(Compiled::new(
            &self.engine,
            &self.profile,
            component,
            bytes,
            hash,
        )?);
        let mut all = self.compiled.lock();
        all.retain(|_, known| known.strong_count() > 0);
        all.insert(hash, Arc::downgrade(&compiled));
        Ok(compiled)
    }

    pub(crate) fn code_key(&self, component: [u8; 32]) -> CodeKey {
        CodeKey::new(&self.engine, component)
    }

    /// Makes the contracts of one channel, which run under `profile` ([`Profile::of_channel`] of this
    /// runtime's): each import of another contract's interface is linked to
    /// the one that exports it.
    ///
    /// # Errors
    /// [`LinkError`] naming the contract, and the interface that nobody or more than one exports, that
    /// differs, or that closes a circle.
    pub fn link(
        &self,
        profile: &Arc<Profile>,
        compiled: BTreeMap<ContractId, Arc<Compiled>>,
    ) -> Result<BTreeMap<ContractId, Arc<Contract>>, LinkError> {
        Links::new(&self.linker, profile, compiled).all()
    }

    /// The limits.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }
}

/// Functions shown of those that ran when a contract was at fault.
const FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(16).unwrap();

fn config(profile: &Profile) -> Result<Config, wasmtime::Error> {
    let instances = CALLS_MAX * profile.call_depth_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * profile.core_instances_max)
        .total_memories(instances)
        .total_tables(instances * profile.tables_max)
        // One component cannot take the slots of others.
        .max_core_instances_per_component(profile.core_instances_max)
        .max_memories_per_module(1)
        .max_memories_per_component(1)
        .max_tables_per_module(profile.tables_max)
        .max_tables_per_component(profile.tables_max)
        .max_memory_size(profile.memory_bytes_max)
        .table_elements(profile.table_elements_max)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);

    let mut config = Config::new();
    match profile.compiler {
        Compiler::Cranelift => config.cranelift_opt_level(OptLevel::Speed),
        Compiler::CraneliftUnoptimised => config.cranelift_opt_level(OptLevel::None),
        #[cfg(feature = "backends")]
        Compiler::Pulley => config.target("pulley64")?,
        #[cfg(feature = "backends")]
        Compiler::Winch => config.strategy(wasmtime::Strategy::Winch),
        #[cfg(not(feature = "backends"))]
        Compiler::Pulley | Compiler::Winch => {
            let text = format!("this build has no compiler {:?}", profile.compiler);
            return Err(wasmtime::Error::msg(text));
        }
    };
    let has = |feature| profile.has_feature(feature);
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        // Determinism: instructions are counted, NaNs have one bit pattern.
        .consume_fuel(profile.fuel_metered)
        .cranelift_nan_canonicalization(profile.nan_canonical)
        .max_wasm_stack(profile.stack_bytes_max)
        // Frames are walked when a call ends in a fault only. Lines are not looked up: that would read
        // a stranger's debug information at a cost that nothing bounds; a panic names its own.
        .wasm_backtrace_max_frames(Some(FRAMES_MAX))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .concurrency_support(false)
        .wasm_simd(has("simd"))
        .wasm_relaxed_simd(has("relaxed-simd"))
        .wasm_memory64(has("memory64"))
        .wasm_multi_memory(has("multi-memory"))
        .wasm_tail_call(has("tail-call"))
        .wasm_extended_const(has("extended-const"))
        .wasm_custom_page_sizes(has("custom-page-sizes"))
        .wasm_wide_arithmetic(has("wide-arithmetic"));
    Ok(config)
}
