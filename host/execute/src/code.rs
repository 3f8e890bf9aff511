//! Compiled code on its way from one process to another: by functions, as Cranelift's own incremental
//! cache keeps it. The engine puts them together; that is the safe way that wasmtime offers to take
//! compiled code from elsewhere.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wasmtime::{CacheStore, Engine};

use crate::error::InstallError;
use crate::profile::Profile;
use crate::runtime::Runtime;

const DIGEST_BYTES: usize = 32;

/// Makes the code of components, elsewhere than in this process.
pub trait CodeMaker: Send + Sync {
    /// The code of a component, which is to be checked as [`compile_code`] does.
    ///
    /// # Errors
    /// [`InstallError`]: why there is none.
    fn make(&self, component: &[u8], key: &CodeKey) -> Result<Code, InstallError>;
}

/// What compiled code belongs to: a component, an engine with its settings, a processor. Shown as hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeKey([u8; DIGEST_BYTES]);

impl fmt::Display for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl CodeKey {
    pub(crate) fn new(engine: &Engine, component: [u8; 32]) -> Self {
        let mut hasher = Sha256Hasher(Sha256::new());
        hasher.write(b"cordon compiled code 1");
        hasher.write(&component);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(hasher.0.finalize().into())
    }
}

struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not asked for: the digest is taken instead.
    fn finish(&self) -> u64 {
        0
    }
}

/// The compiled functions of one component.
pub struct Code(BTreeMap<Vec<u8>, Vec<u8>>);

impl Code {
    /// Reads what [`compile_code`] made; `None` when it is not whole, or belongs to something else.
    pub fn read(bytes: &[u8], key: &CodeKey) -> Option<Self> {
        let (content, digest) = bytes.split_last_chunk::<DIGEST_BYTES>()?;
        let whole = Sha256::digest(content).as_slice() == digest;
        let content = content.strip_prefix(&key.0).filter(|_| whole)?;
        postcard::from_bytes(content).ok().map(Self)
    }
}

/// Checks and compiles a component in this process. Its code: the key, the functions, a digest of both.
///
/// # Errors
/// [`InstallError`], as [`Runtime::compile`] has them.
pub fn compile_code(profile: Profile, component: &[u8]) -> Result<Vec<u8>, InstallError> {
    let failed = |what: String| InstallError::Compiler { what };
    let functions = Arc::<Functions>::default();
    let runtime = Runtime::collecting(profile, functions.clone());
    let runtime = runtime.map_err(|error| failed(format!("cannot be run: {error}")))?;
    let compiled = runtime.compile(component)?;
    let mut bytes = runtime.code_key(compiled.hash()).0.to_vec();
    bytes = postcard::to_extend(&*functions.0.lock(), bytes)
        .map_err(|error| failed(format!("cannot write code: {error}")))?;
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    Ok(bytes)
}

/// What the engine finds, and where it puts what it makes.
#[derive(Debug, Default)]
pub(crate) struct Functions(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.0.lock().get(key).cloned().map(Cow::Owned)
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        self.0.lock().insert(key.to_vec(), value);
        true
    }
}

impl Functions {
    /// Lets `code` be what the engine finds while `compile` runs.
    pub(crate) fn during<T>(&self, code: Code, compile: impl FnOnce() -> T) -> T {
        *self.0.lock() = code.0;
        let result = compile();
        self.0.lock().clear();
        result
    }
}

#[cfg(test)]
mod tests;
