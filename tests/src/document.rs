//! Documents whose commands are run as they stand.
//!
//! A block of `sh` is typed into a shell and must succeed; a line that ends in `# refused: TEXT` must
//! fail and say so. `sh background` is started and waited for until it is ready. A block of `text`
//! behind one of these shows what is printed: its lines appear in that order, with anything for `…`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Cli;
use crate::network::Ports;
use crate::process::{HostProcess, binary, eventually};

/// The ports that documents name; in a scratch folder they are others.
const DOCUMENTED_PORTS: std::ops::Range<u16> = 7_051..7_051 + Ports::EACH;
const REFUSED: &str = "# refused: ";

/// Commands of a document.
#[derive(Debug)]
pub struct Block {
    /// Line that it begins after.
    pub line: usize,
    /// They keep running.
    pub background: bool,
    /// As they stand there, each line ended.
    pub commands: String,
    /// What the document says is printed; empty when it says nothing.
    pub shown: String,
}

/// The blocks of commands of a document: below this heading and before the next, if one is given.
pub fn blocks(document: &str, heading: Option<&str>) -> Vec<Block> {
    let mut section = heading.is_none();
    let mut fence: Option<&str> = None;
    let mut blocks: Vec<Block> = Vec::new();
    for (index, line) in document.lines().enumerate() {
        match fence {
            Some(_) if line == "```" => fence = None,
            Some(kind) if section => {
                let text = match kind {
                    "sh" | "sh background" => blocks.last_mut().map(|block| &mut block.commands),
                    "text" => blocks.last_mut().map(|block| &mut block.shown),
                    _ => None,
                };
                if let Some(text) = text {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            Some(_) => {}
            None => {
                if let Some(kind) = line.strip_prefix("```") {
                    fence = Some(kind);
                    if section && matches!(kind, "sh" | "sh background") {
                        blocks.push(Block {
                            line: index + 1,
                            background: kind == "sh background",
                            commands: String::new(),
                            shown: String::new(),
                        });
                    }
                } else if line.starts_with('#') {
                    section = heading.is_none_or(|heading| line == heading);
                }
            }
        }
    }
    blocks
}

/// A folder where somebody works in a shell, with `cordon` on the PATH. Where the shell is and what its
/// variables are stays from one command to the next. All that was started in it ends with it.
pub struct Shell {
    /// The folder.
    pub folder: PathBuf,
    /// Where the shell is.
    pub place: PathBuf,
    variables: BTreeMap<OsString, OsString>,
    processes: Vec<HostProcess>,
    scratch: Option<(TempDir, Ports)>,
}

impl Shell {
    /// In a folder that is there.
    pub fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(folder.join("bin")).unwrap();
        let _ = fs::remove_file(folder.join("bin/cordon"));
        let program = binary().canonicalize().unwrap();
        std::os::unix::fs::symlink(program, folder.join("bin/cordon")).unwrap();
        Self {
            place: folder.clone(),
            folder,
            variables: BTreeMap::new(),
            processes: Vec::new(),
            scratch: None,
        }
    }

    /// In a folder of its own that looks like the repository's, with the town's network file. Ports that
    /// documents name are replaced by free ones.
    pub fn scratch() -> Self {
        let mut dir = tempfile::Builder::new();
        let dir = dir.prefix("cordon-document-").tempdir().unwrap();
        let mut shell = Self::new(dir.path().to_owned());
        shell.scratch = Some((dir, Ports::reserve()));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = root.canonicalize().unwrap();
        for name in ["target", "contracts"] {
            std::os::unix::fs::symlink(root.join(name), shell.folder.join(name)).unwrap();
        }
        copy(&root.join("policies"), &shell.folder.join("policies"));
        let town = shell.folder.join("policies/town.toml");
        let text = fs::read_to_string(&town).unwrap();
        fs::write(town, shell.moved(&text)).unwrap();
        shell
    }

    /// The text with this folder's ports.
    fn moved(&self, text: &str) -> String {
        let Some((_, ports)) = &self.scratch else {
            return text.to_owned();
        };
        let parts = text.split_inclusive(|letter: char| !letter.is_ascii_digit());
        let parts = parts.map(|part| {
            let number = part.trim_end_matches(|letter: char| !letter.is_ascii_digit());
            match number.parse() {
                Ok(port) if DOCUMENTED_PORTS.contains(&port) => {
                    let other = ports.base + (port - DOCUMENTED_PORTS.start);
                    format!("{other}{}", &part[number.len()..])
                }
                _ => part.to_owned(),
            }
        });
        parts.collect()
    }

    /// Types commands, and waits until they are done.
    pub fn run(&mut self, commands: &str) -> Cli {
        let (place, variables) = (self.folder.join("place"), self.folder.join("variables"));
        let script = format!(
            "set -eua\n{commands}\npwd >'{}'\nenv -0 >'{}'",
            place.display(),
            variables.display()
        );
        let mut path = OsString::from(self.folder.join("bin"));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-c", &script])
            .envs(&self.variables)
            .env("PATH", path)
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CORDON_CONTRACTS_TARGET")
            .env_remove("CORDON_LOG")
            .current_dir(&self.place)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let done = Cli {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        if done.code == 0 {
            self.place = fs::read_to_string(place).unwrap().trim().into();
            let found = fs::read(variables).unwrap();
            let pairs = found.split(|byte| *byte == 0).filter_map(|pair| {
                let at = pair.iter().position(|byte| *byte == b'=')?;
                let part = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
                Some((part(&pair[..at]), part(&pair[at + 1..])))
            });
            self.variables = pairs.collect();
        }
        done
    }

    /// Starts a command that keeps running, and waits until it is ready.
    fn start(&mut self, command: &str) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let (program, args) = words.split_first().unwrap();
        assert_eq!(*program, "cordon", "{command}");
        let stderr = self.folder.join("background");
        let mut process = HostProcess::spawn_in(&self.place, args, &stderr, "warn");
        let ready = process.line("ready");
        ready.unwrap_or_else(|error| panic!("{command}: {error}"));
        self.processes.push(process);
    }

    /// Does what a block says, and holds it to what it shows. What `kill` was told to has ended
    /// afterwards.
    pub fn follow(&mut self, name: &str, block: &Block) {
        let at = format!("{name}:{}", block.line);
        let commands = self.moved(&block.commands);
        self.settle();
        if block.background {
            for command in commands.lines() {
                self.start(command.split(" #").next().unwrap_or_default());
            }
            return;
        }
        let (script, refusals) = refused(&commands);
        let done = self.run(&script);
        let Cli { stdout, stderr, .. } = &done;
        assert_eq!(done.code, 0, "{at}:\n{commands}\n{stdout}\n{stderr}");
        for refusal in refusals {
            assert!(stderr.contains(&refusal), "{at}: {refusal}: {stderr}");
        }
        let wanted = self.moved(&block.shown);
        if let Some(missing) = missing(&wanted, &format!("{stdout}\n{stderr}")) {
            panic!("{at}: {missing:?} is not printed by\n{commands}\n{stdout}\n{stderr}");
        }
        let kills = commands.lines().filter(|line| line.starts_with("kill "));
        for _ in kills {
            eventually("what was killed ends", || {
                let mut processes = self.processes.iter_mut();
                let index = processes.position(|process| process.ended().is_some())?;
                Some(self.processes.remove(index))
            });
        }
    }

    /// Whoever types is slower than the hosts of a channel are apart: waits until the town's first two,
    /// if they answer, have the same blocks.
    fn settle(&mut self) {
        if self.processes.is_empty() || !self.folder.join("network/connections").exists() {
            return;
        }
        let mut height = |admin: &str| {
            let folder = self.folder.display();
            let done = self.run(&format!(
                "(cd '{folder}'; cordon --json status --as {admin})"
            ));
            (done.code == 0)
                .then(|| channel_height(&done.json()))
                .flatten()
        };
        eventually("both hosts have the same blocks", || {
            match (height("hospital/admin"), height("clinic/admin")) {
                (Some(hospital), Some(clinic)) if hospital != clinic => None,
                _ => Some(()),
            }
        });
    }
}

/// Blocks of the channel of both, as `cordon status` tells it.
fn channel_height(status: &serde_json::Value) -> Option<u64> {
    let hosts = status["hosts"].as_array()?;
    let mut channels = hosts.first()?["channels"].as_array()?.iter();
    channels.find(|channel| channel["channel"] == crate::CHANNEL)?["height"].as_u64()
}

/// The commands, made to fail where they do not fail as they should; what refusals have to say.
fn refused(commands: &str) -> (String, Vec<String>) {
    let mut refusals = Vec::new();
    let lines = commands.lines().map(|line| {
        let Some((command, refusal)) = line.split_once(REFUSED) else {
            return format!("{line}\n");
        };
        refusals.push(refusal.trim().to_owned());
        format!("if {command}; then echo 'this is not refused' >&2; exit 99; fi\n")
    });
    (lines.collect(), refusals)
}

/// The first of the shown lines that is not printed behind the ones before it.
fn missing<'a>(shown: &'a str, printed: &str) -> Option<&'a str> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed: Vec<String> = printed.lines().map(words).collect();
    let mut printed = printed.iter();
    shown
        .lines()
        .filter(|line| !line.trim().is_empty())
        .find(|line| {
            let parts: Vec<String> = line.split('…').map(words).collect();
            !printed.any(|line| {
                let mut rest = line.as_str();
                parts
                    .iter()
                    .all(|part| match rest.split_once(part.as_str()) {
                        Some((_, after)) => {
                            rest = after;
                            true
                        }
                        None => false,
                    })
            })
        })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{blocks, missing, refused};

    #[test]
    fn a_documents_commands_are_found_with_what_they_print() {
        let text = "## A\n```sh\none\n```\n\n```text\nprinted …\n```\n```js\nno\n```\n## B\n```sh background\ntwo\n```\n";
        let all = blocks(text, None);
        let found: Vec<_> = all
            .iter()
            .map(|b| (&*b.commands, b.background, &*b.shown))
            .collect();
        let expected = [("one\n", false, "printed …\n"), ("two\n", true, "")];
        assert_eq!(found, expected);
        assert_eq!(blocks(text, Some("## B")).len(), 1);
    }

    #[test]
    fn what_is_shown_is_printed_in_that_order() {
        let printed = "height  12  following\nhash    abc\n";
        assert_eq!(missing("height … following\n\nhash …", printed), None);
        assert_eq!(missing("hash …\nheight …", printed), Some("height …"));
        assert_eq!(missing("height 13", printed), Some("height 13"));
    }

    #[test]
    fn a_refusal_is_expected_where_the_document_says_so() {
        let (script, refusals) = refused("one\ntwo    # refused: 404\n");
        assert!(script.starts_with("one\nif two    ; then "), "{script}");
        assert_eq!(refusals, ["404"]);
    }
}
