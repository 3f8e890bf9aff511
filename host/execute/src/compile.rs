//! Compiling a component is the most that a hostile one can make a host do before it runs: some hundred
//! kilobytes can take minutes and gigabytes. So it happens in a child process with little time and
//! memory, and what comes of it is kept in a file.
//!
//! The child is this same program ([`child`]). It hands over code by functions, as Cranelift's own
//! incremental cache keeps it, and this process puts the functions together: the safe way that wasmtime
//! offers to take compiled code from elsewhere. Nothing is taken from a file that does not have the
//! digest that was written with it, and the key that this engine asks for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{Hash as _, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit};
use sha2::{Digest, Sha256};
use wasmtime::{CacheStore, Engine};

use crate::error::InstallError;
use crate::profile::Profile;
use crate::runtime::Runtime;

/// CPU time of a compilation, seconds; a contract of this repository takes a tenth of one.
const CPU_SECONDS_MAX: u64 = 5;
/// Memory of a compilation, bytes.
const MEMORY_BYTES_MAX: u64 = 512 << 20;
/// How long a compilation may take by the clock, on a busy machine too.
const TIME_MAX: Duration = Duration::from_secs(9);
/// Compiled code of one component, bytes; that of a contract of this repository has half a megabyte.
const CODE_BYTES_MAX: u64 = 256 << 20;
/// How much less the scheduler cares for a compilation than for the host that waits for it.
const NICE: i32 = 10;
const DIGEST_BYTES: usize = 32;

/// Where components are compiled, and their code is kept.
#[derive(Debug, Clone)]
pub struct Apart {
    /// A program that calls [`child`].
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Folder of compiled code, made when it is needed; without, nothing is kept. Processes can share
    /// one.
    pub kept: Option<PathBuf>,
}

/// Compiled functions on their way into the engine, or out of it.
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

/// What compiled code belongs to: a component, an engine with its settings, a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodeKey([u8; DIGEST_BYTES]);

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

impl Functions {
    /// Lets `functions` be what the engine finds while `compile` runs.
    pub(crate) fn during<T>(
        &self,
        functions: BTreeMap<Vec<u8>, Vec<u8>>,
        compile: impl FnOnce() -> T,
    ) -> T {
        *self.0.lock() = functions;
        let result = compile();
        self.0.lock().clear();
        result
    }

    fn encode(&self, key: CodeKey) -> io::Result<Vec<u8>> {
        let mut bytes = key.0.to_vec();
        bytes = postcard::to_extend(&*self.0.lock(), bytes).map_err(io::Error::other)?;
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        Ok(bytes)
    }
}

/// The functions in what [`Functions::encode`] made; `None` when it is not whole, or of something else.
fn decode(bytes: &[u8], key: CodeKey) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let (content, digest) = bytes.split_last_chunk::<DIGEST_BYTES>()?;
    let whole = Sha256::digest(content).as_slice() == digest;
    let content = content.strip_prefix(&key.0).filter(|_| whole)?;
    postcard::from_bytes(content).ok()
}

impl Apart {
    /// The compiled functions of a component that was checked already: from the folder, or else from a
    /// child.
    pub(crate) fn functions(
        &self,
        component: &[u8],
        key: CodeKey,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, InstallError> {
        if let Some(functions) = self.path(key).and_then(|path| read(&path, key)) {
            return Ok(functions);
        }
        let code = self.compile(component)?;
        let functions = decode(&code, key).ok_or_else(|| InstallError::Compiler {
            what: "answered something else than this host's code: is it another version?".into(),
        })?;
        if let Some(path) = self.path(key) {
            // Code that is not kept is compiled again next time.
            let _ = keep(&path, &code);
        }
        Ok(functions)
    }

    fn path(&self, key: CodeKey) -> Option<PathBuf> {
        let kept = self.kept.as_ref()?;
        Some(kept.join(hex::encode(key.0)))
    }

    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, InstallError> {
        let failed = |error: io::Error| InstallError::Compiler {
            what: format!("cannot be run: {error}"),
        };
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (done, finished) = mpsc::channel();
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let complaint = child.stderr.take();
        let (code, complaint) = std::thread::scope(|scope| {
            scope.spawn(move || {
                // A child that ends early says why itself.
                let _ = input.map(|mut input| input.write_all(component));
            });
            let complaint = scope.spawn(move || read_all(complaint, 4 << 10));
            scope.spawn(move || done.send(read_all(output, CODE_BYTES_MAX)));
            let code = finished.recv_timeout(TIME_MAX);
            if code.is_err() {
                // Closes its ends of all three, so that every thread ends.
                let _ = child.kill();
            }
            (code, complaint.join().unwrap_or_default())
        });
        let status = child.wait().map_err(failed)?;
        match code {
            Ok(code) if status.success() => Ok(code),
            Ok(_) => Err(why(status, &complaint)),
            Err(_) => Err(too_much(&format!("{} s", TIME_MAX.as_secs()))),
        }
    }
}

/// Why a child has ended that did not compile.
fn why(status: ExitStatus, complaint: &[u8]) -> InstallError {
    const SIGXCPU: i32 = rustix::process::Signal::XCPU.as_raw();
    match (status.code(), status.signal()) {
        (Some(1), _) => InstallError::Refused(String::from_utf8_lossy(complaint).trim().to_owned()),
        (_, Some(SIGXCPU)) => too_much(&format!("{CPU_SECONDS_MAX} s of CPU time")),
        // An allocation or a thread that cannot be had ends the process; so does a fault of the compiler.
        _ => too_much(&format!("{} MiB of memory", MEMORY_BYTES_MAX >> 20)),
    }
}

fn too_much(what: &str) -> InstallError {
    InstallError::CompilesTooLong {
        limit: what.to_owned(),
    }
}

fn read_all(from: Option<impl Read>, max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What has been read when it breaks off is not whole, and found out to be so.
    let _ = from.map(|from| from.take(max).read_to_end(&mut bytes));
    bytes
}

/// Code that was kept; `None` when there is none that is whole.
fn read(path: &Path, key: CodeKey) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    decode(&read_all(File::open(path).ok(), CODE_BYTES_MAX), key)
}

/// Puts code in its place at once, whole, whoever else does the same.
fn keep(path: &Path, code: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(code)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// What the child does: compiles the component on `input` and writes its code to `output`, within this
/// module's limits, which hold for the process from here on. The error is for the parent, which shows it
/// as the reason of a refusal.
///
/// # Errors
/// A sentence: the component is refused, or the process cannot be limited.
pub fn child(
    profile: Profile,
    input: &mut impl Read,
    output: &mut impl Write,
) -> Result<(), String> {
    let limit = |resource, most: u64| {
        let limit = Rlimit {
            current: Some(most),
            // At the hard limit there would be no signal that says which one it was.
            maximum: Some(most + 1),
        };
        rustix::process::setrlimit(resource, limit)
            .map_err(|error| format!("this process cannot be limited: {error}"))
    };
    // A slower compilation is better than a slower host, but no condition.
    let _ = rustix::process::nice(NICE);
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, CPU_SECONDS_MAX)?;
    limit(Resource::Data, MEMORY_BYTES_MAX)?;

    let functions = Arc::<Functions>::default();
    let max = profile.component_bytes_max as u64;
    let runtime = Runtime::collecting(profile, functions.clone()).map_err(|e| e.to_string())?;
    let mut component = Vec::new();
    let said = |error: io::Error| error.to_string();
    input
        .take(max + 1)
        .read_to_end(&mut component)
        .map_err(said)?;
    let compiled = runtime.compile(&component).map_err(|e| e.to_string())?;
    let code = functions.encode(runtime.code_key(compiled.hash()));
    output.write_all(&code.map_err(said)?).map_err(said)?;
    output.flush().map_err(said)
}

#[cfg(test)]
mod tests;
