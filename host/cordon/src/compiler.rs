//! Components are compiled by a process of its own, this same program: the host's side and the child's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use cordon_compile::Apart;
use cordon_execute::{Profile, Runtime};

/// The command that is the child; not for people.
pub(crate) const COMMAND: &str = "compile-component";

/// What runs contracts, and has them compiled by a child. Their code is kept in the folder, if there is
/// one.
pub(crate) fn runtime(kept: Option<PathBuf>) -> Result<Runtime> {
    // This program itself, also when its file was replaced since it started.
    let itself = Path::new("/proc/self/exe");
    let program = if itself.exists() {
        itself.to_owned()
    } else {
        std::env::current_exe()?
    };
    let arguments = vec![COMMAND.to_owned()];
    let apart = Apart {
        program,
        arguments,
        kept,
    };
    Ok(Runtime::with_code_from(
        Profile::default(),
        Arc::new(apart),
    )?)
}

/// The child: a component on stdin, its code on stdout, a reason against it on stderr.
pub(crate) fn child() -> ExitCode {
    let mut output = std::io::stdout().lock();
    match cordon_compile::child(
        Profile::default(),
        &mut std::io::stdin().lock(),
        &mut output,
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, reason)) => {
            eprintln!("{reason}");
            ExitCode::from(code)
        }
    }
}
