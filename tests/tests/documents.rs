//! What documents tell people to type is typed, as it stands, in its order.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs;
use std::path::Path;

use cordon_tests::document::{Block, Shell, blocks};

fn read(name: &str, heading: Option<&str>) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let found = blocks(&fs::read_to_string(path).unwrap(), heading);
    assert!(!found.is_empty(), "{name}: {heading:?}");
    found
}

/// `make network` in a terminal of its own.
fn network(shell: &mut Shell) {
    let up = Block {
        line: 0,
        background: true,
        commands: "cordon up\n".to_owned(),
        shown: String::new(),
    };
    shell.follow("make network", &up);
}

/// Follows all blocks but those that build or start with `make`.
fn follow(shell: &mut Shell, name: &str, heading: Option<&str>) {
    for block in read(name, heading) {
        let made = block.commands.lines().any(|line| line.starts_with("make "));
        if !made {
            shell.follow(name, &block);
        }
    }
}

#[test]
fn the_operators_guide_works_from_its_first_command_to_its_last() {
    follow(&mut Shell::scratch(), "docs/operating.md", None);
}

#[test]
fn what_the_readme_says_to_a_client_developer_an_operator_and_an_auditor_works() {
    let mut shell = Shell::scratch();
    network(&mut shell);
    for heading in ["## For a client developer", "## For an auditor"] {
        follow(&mut shell, "README.md", Some(heading));
    }
    drop(shell);
    follow(
        &mut Shell::scratch(),
        "README.md",
        Some("## For an operator"),
    );
}

#[test]
fn the_walk_throughs_for_everybody_can_be_typed_along() {
    let mut shell = Shell::scratch();
    network(&mut shell);
    follow(&mut shell, "docs/people.md", None);
}
