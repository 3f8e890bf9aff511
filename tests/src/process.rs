//! One `cordon` process: its output, its end, and waiting for conditions.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longest that anything is waited for. Generous: a debug build on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at a condition that nobody announces.
const PAUSE: Duration = Duration::from_millis(10);

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("CORDON_BIN").map_or_else(
        || {
            let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
                || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
                PathBuf::from,
            );
            target.join("debug/cordon")
        },
        PathBuf::from,
    )
}

/// A command that keeps running, `cordon host run` or `cordon up`. Killed when dropped.
pub struct HostProcess {
    child: Child,
    lines: Receiver<String>,
    stdout: Vec<String>,
    stderr: PathBuf,
    stderr_from: u64,
}

impl HostProcess {
    /// Starts `cordon` with `args`. Its stderr is appended to the file `stderr`.
    pub fn spawn(args: &[&str], stderr: &Path, log: &str) -> Self {
        Self::spawn_in(Path::new("."), args, stderr, log)
    }

    /// The same in another folder, where paths in `args` begin.
    pub fn spawn_in(folder: &Path, args: &[&str], stderr: &Path, log: &str) -> Self {
        let file = File::options().create(true).append(true).open(stderr);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", stderr.display()));
        let stderr_from = file.metadata().unwrap().len();
        let program = binary().canonicalize().unwrap_or_else(|_| binary());
        let mut child = Command::new(program)
            .args(args)
            .current_dir(folder)
            .env("CORDON_LOG", log)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", binary().display()));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            stdout: Vec::new(),
            stderr: stderr.to_owned(),
            stderr_from,
        }
    }

    /// Waits for a line of stdout that begins with `prefix`; the line.
    ///
    /// # Errors
    /// What it wrote to stderr, when it ended before or did not write such a line in time.
    pub fn line(&mut self, prefix: &str) -> Result<String, String> {
        self.line_that(&format!("{prefix:?}"), |line| line.starts_with(prefix))
    }

    /// The same for a line with this text in it.
    ///
    /// # Errors
    /// As [`HostProcess::line`].
    pub fn line_with(&mut self, text: &str) -> Result<String, String> {
        self.line_that(&format!("with {text:?}"), |line| line.contains(text))
    }

    fn line_that(&mut self, what: &str, is: impl Fn(&str) -> bool) -> Result<String, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.stdout.push(line.clone());
                    if is(&line) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.wait();
                    return Err(format!("{status}: {}", self.stderr()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("no line {what} in time: {}", self.stderr()));
                }
            }
        }
    }

    /// The last line of stdout that begins with `prefix`, of those that were waited for.
    pub fn said(&self, prefix: &str) -> Option<&str> {
        let mut lines = self.stdout.iter().rev();
        lines
            .find(|line| line.starts_with(prefix))
            .map(String::as_str)
    }

    /// Everything it has written to stdout, once it has ended.
    pub fn stdout(&mut self) -> String {
        self.stdout.extend(self.lines.iter());
        self.stdout.join("\n")
    }

    /// What this process has written to stderr so far.
    pub fn stderr(&self) -> String {
        let bytes = std::fs::read(&self.stderr).unwrap();
        String::from_utf8_lossy(&bytes[usize::try_from(self.stderr_from).unwrap()..]).into_owned()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had resident so far, bytes.
    pub fn resident_peak_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        kilobytes.unwrap().parse::<u64>().unwrap() * 1_024
    }

    /// Sends a signal by name, as `kill` does.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Ends it without a chance to tidy up.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has ended already.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the process ends", || self.child.try_wait().unwrap())
    }

    /// Sends a signal and waits for the end.
    pub fn stop(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.wait()
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Looks until `condition` gives something.
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// The same for a condition that has to ask somebody.
pub async fn eventually_async<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
