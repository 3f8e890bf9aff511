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
use std::time::{Duration, Instant};

use cordon_execute::{Code, CodeKey, CodeMaker, InstallError, Profile, compile_code};
use rustix::process::{Resource, Rlimit};

/// CPU time of a compilation, seconds; a contract in Rust takes a tenth of one, one in JavaScript, which
/// has an engine inside, two.
const CPU_SECONDS_MAX: u64 = 5;
/// Memory of a compilation, bytes.
const MEMORY_BYTES_MAX: u64 = 512 << 20;
/// How long a compilation may take by the clock. Only against one that hangs: whatever the clock says, it
/// costs the machine no more than its CPU time, which comes late where others are before it ([`NICE`]).
const TIME_MAX: Duration = Duration::from_mins(2);
/// Compiled code of one component, bytes; that of a contract of this repository has half a megabyte.
const CODE_BYTES_MAX: u64 = 32 << 20;
/// Stack of the thread that reads a component, bytes: less than any thread has that reads it again, so
/// that what nests too deeply ends the child and not the host.
const STACK_BYTES: usize = 1 << 20;
/// What a child says of itself, bytes.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;
/// Exit code of a child that refuses the component.
pub const EXIT_REFUSED: u8 = 1;
/// Exit code of a child that could not do its work.
pub const EXIT_FAILED: u8 = 2;
/// How much less the scheduler cares for a compilation than for the host that waits for it.
const NICE: i32 = 10;

/// Reads a component from a file that is not larger than a component can be.
///
/// # Errors
/// Those of reading; what is no file, or too large.
pub fn read_component(path: &Path, profile: &Profile) -> io::Result<Vec<u8>> {
    let max = profile.component_bytes_max as u64;
    let metadata = fs::metadata(path)?;
    // A pipe or a device would keep its reader waiting.
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let len = metadata.len();
    if len > max {
        let text = format!("it has {len} bytes; a component has at most {max}");
        return Err(io::Error::other(text));
    }
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
            // Not a pipe, whose reader would wait.
            let file = fs::metadata(path).ok().filter(fs::Metadata::is_file);
            let bytes = read_all(file.and_then(|_| File::open(path).ok()), CODE_BYTES_MAX);
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
        let deadline = Instant::now() + TIME_MAX;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let errors = child.stderr.take();
        let said = std::thread::scope(|scope| {
            scope.spawn(move || {
                // A child that ends early says why itself.
                let _ = input.map(|mut input| input.write_all(component));
            });
            let (code_read, code) = mpsc::channel();
            let (complaint_read, complaint) = mpsc::channel();
            scope.spawn(move || code_read.send(read_all(output, CODE_BYTES_MAX + 1)));
            scope.spawn(move || complaint_read.send(read_all(errors, COMPLAINT_BYTES_MAX)));
            let left = || deadline.saturating_duration_since(Instant::now());
            let said = code.recv_timeout(left()).and_then(|code| {
                let complaint = complaint.recv_timeout(left())?;
                Ok((code, complaint))
            });
            if said.is_err() {
                // Closes its ends of all three, so that every thread ends.
                let _ = child.kill();
            }
            said
        });
        let status = child.wait().map_err(failed)?;
        match said {
            Ok((code, _)) if status.success() => Ok(code),
            Ok((_, complaint)) => Err(why(status, &complaint)),
            Err(_) => Err(too_much(&format!(
                "{} s on this machine, which may be busy: try again",
                TIME_MAX.as_secs()
            ))),
        }
    }
}

/// Why a child has ended that did not compile.
fn why(status: ExitStatus, complaint: &[u8]) -> InstallError {
    const REFUSED: i32 = EXIT_REFUSED as i32;
    const SIGXCPU: i32 = rustix::process::Signal::XCPU.as_raw();
    const SIGABRT: i32 = rustix::process::Signal::ABORT.as_raw();
    let complaint = String::from_utf8_lossy(complaint);
    let complaint = complaint.trim();
    match (status.code(), status.signal()) {
        (Some(REFUSED), _) => InstallError::Refused(complaint.to_owned()),
        (_, Some(SIGXCPU)) => too_much(&format!("{CPU_SECONDS_MAX} s of CPU time")),
        // How Rust ends where memory or stack do.
        (_, Some(SIGABRT)) => too_much(&format!(
            "{} MiB of memory or {} MiB of stack",
            MEMORY_BYTES_MAX >> 20,
            STACK_BYTES >> 20
        )),
        _ => InstallError::Compiler {
            what: format!("ended with {status}, saying: {complaint}"),
        },
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
/// module's limits, which hold for the process from here on.
///
/// # Errors
/// The exit code, and a sentence for the parent: why the component is refused ([`EXIT_REFUSED`]), or what
/// keeps this process from its work ([`EXIT_FAILED`]).
pub fn child(
    profile: Profile,
    input: &mut impl Read,
    output: &mut impl Write,
) -> Result<(), (u8, String)> {
    let failed = |text: String| (EXIT_FAILED, text);
    let limit = |resource, most: u64| {
        // Whoever started the host may have set lower ones.
        let least = |limit: Option<u64>, most| limit.map_or(most, |limit| limit.min(most));
        let allowed = rustix::process::getrlimit(resource).maximum;
        let limit = Rlimit {
            current: Some(least(allowed, most)),
            // At the hard limit there would be no signal that says which one it was.
            maximum: Some(least(allowed, most + 1)),
        };
        rustix::process::setrlimit(resource, limit)
            .map_err(|error| failed(format!("this process cannot be limited: {error}")))
    };
    // A slower compilation is better than a slower host, but no condition.
    let _ = rustix::process::nice(NICE);
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, CPU_SECONDS_MAX)?;
    limit(Resource::Data, MEMORY_BYTES_MAX)?;

    let max = profile.component_bytes_max as u64;
    let mut component = Vec::new();
    let said = |error: io::Error| failed(error.to_string());
    input
        .take(max + 1)
        .read_to_end(&mut component)
        .map_err(said)?;
    let compiling = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || compile_code(profile, &component))
        .map_err(said)?;
    let compiled = compiling
        .join()
        .map_err(|_| failed("the compiler panicked".to_owned()))?;
    let code = compiled.map_err(|error| match error {
        InstallError::Compiler { what } => failed(what),
        refused => (EXIT_REFUSED, refused.to_string()),
    })?;
    if code.len() as u64 > CODE_BYTES_MAX {
        let text = format!(
            "the component's code has {} bytes; at most {CODE_BYTES_MAX} are allowed",
            code.len()
        );
        return Err((EXIT_REFUSED, text));
    }
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
                "takes more than 512 MiB of memory or 1 MiB of stack",
            ),
            (
                "/bin/sh",
                &["-c", "echo no limits >&2; exit 2"],
                "the compiler ended with exit status: 2, saying: no limits",
            ),
            (
                "/bin/sh",
                &["-c", "kill -KILL $$"],
                "the compiler ended with signal: 9",
            ),
        ] {
            let apart = Arc::new(apart(program, arguments));
            let runtime = Runtime::with_code_from(Profile::default(), apart).unwrap();
            let error = runtime.compile(&component()).map(drop).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
