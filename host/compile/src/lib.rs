//! Compiles components in a process of its own, and keeps their code.
//!
//! Compiling is the most that a hostile component can make a host do before it runs: some kilobytes can
//! take minutes and gigabytes. So it happens in a child with little time and memory, this same program
//! ([`child`]), and what comes of it is kept in a file. Nothing is taken from a file that does not have
//! the digest that was written with it, and the key that the engine asks for.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use cordon_execute::{Code, CodeKey, CodeMaker, InstallError, Profile, compile_code};
use rustix::process::{Resource, Rlimit};

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

/// Reads a component from a file, and no more of it than can be accepted and one byte.
///
/// # Errors
/// Those of reading.
pub fn read_component(path: &Path, profile: &Profile) -> io::Result<Vec<u8>> {
    let max = profile.component_bytes_max as u64;
    let mut bytes = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

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

impl CodeMaker for Apart {
    /// From the folder, or else from a child.
    fn make(&self, component: &[u8], key: &CodeKey) -> Result<Code, InstallError> {
        let path = self.kept.as_ref().map(|kept| kept.join(key.to_string()));
        let kept = path.as_deref().and_then(|path| {
            let bytes = read_all(File::open(path).ok(), CODE_BYTES_MAX);
            Code::read(&bytes, key)
        });
        if let Some(code) = kept {
            return Ok(code);
        }
        let bytes = self.compile(component)?;
        let code = Code::read(&bytes, key).ok_or_else(|| InstallError::Compiler {
            what: "answered something else than this host's code: is it another version?".into(),
        })?;
        if let Some(path) = path {
            // Code that is not kept is compiled again next time.
            let _ = keep(&path, &bytes);
        }
        Ok(code)
    }
}

impl Apart {
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

    let max = profile.component_bytes_max as u64;
    let mut component = Vec::new();
    let said = |error: io::Error| error.to_string();
    input
        .take(max + 1)
        .read_to_end(&mut component)
        .map_err(said)?;
    let code = compile_code(profile, &component).map_err(|error| error.to_string())?;
    output.write_all(&code).map_err(said)?;
    output.flush().map_err(said)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cordon_execute::Runtime;

    use super::*;

    fn component() -> Vec<u8> {
        wat::parse_str(
            r#"(component
                (core module $m (func (export "run")))
                (core instance $i (instantiate $m))
                (func (export "run") (canon lift (core func $i "run"))))"#,
        )
        .unwrap()
    }

    #[test]
    fn a_program_that_is_no_compiler_is_said_to_be_none() {
        let apart = |program: &str, arguments: &[&str]| Apart {
            program: PathBuf::from(program),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            kept: None,
        };
        for (program, arguments, expected) in [
            (
                "/nonexistent/cordon",
                &[][..],
                "the compiler cannot be run: ",
            ),
            ("/bin/cat", &[], "the compiler answered something else"),
            (
                "/bin/sh",
                &["-c", "echo no, thanks >&2; exit 1"],
                "no, thanks",
            ),
            (
                "/bin/sh",
                &["-c", "kill -XCPU $$"],
                "takes more than 5 s of CPU time",
            ),
            (
                "/bin/sh",
                &["-c", "kill -ABRT $$"],
                "takes more than 512 MiB of memory",
            ),
        ] {
            let apart = Arc::new(apart(program, arguments));
            let runtime = Runtime::with_code_from(Profile::default(), apart).unwrap();
            let error = runtime.compile(&component()).map(drop).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
