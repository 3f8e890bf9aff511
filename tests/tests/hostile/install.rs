//! Contracts that no network takes: the exact reason is in the contract's text, behind `;;!`.
//!
//! A start function is no reason: it runs with every instance, as part of the call, and pays with the
//! call's fuel (`guests/start-*.wat`).

use std::fs;

use cordon_tests::{CHANNEL, Deployed, NetworkFile, Table, cordon, town_with};

use crate::guests::{assembled, sources};

/// Refused by what it is; the others do not fit what a channel has.
const BY_THEMSELVES: &str = "contract ";

#[test]
fn what_cannot_be_a_contract_is_refused_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder_text = folder.path().to_str().unwrap();
    let mut table = Table::new();
    for (name, source) in sources("refused") {
        let text = fs::read_to_string(&source).unwrap();
        let mut reasons = text.lines().filter_map(|line| line.strip_prefix(";;! "));
        let reason = reasons.next().expect(&name);
        assert_eq!(reasons.next(), None, "{name}");
        let component = folder.path().join(format!("{name}.wasm"));
        fs::write(&component, assembled(&source)).unwrap();

        let inspected = cordon(&["contract", "inspect", component.to_str().unwrap()]);
        if let Some(reason) = reason.strip_prefix(BY_THEMSELVES) {
            let (_, reason) = reason.split_once("): ").unwrap();
            table.equal(&name, inspected.code, 1);
            let expected = format!("cordon: …/{name}.wasm: {reason}\n");
            table.equal(&name, inspected.stderr.replace(folder_text, "…"), expected);
            // The others are refused in the same place; it is enough to see one.
            if name != "imports-wasi" {
                continue;
            }
        } else {
            table.equal(&name, inspected.code, 0);
        }

        let (file, _policies) = town_with(&[Deployed {
            channel: CHANNEL,
            name: name.clone(),
            component,
            endorsement_policy: "OR('HospitalMSP.peer')",
        }]);
        let NetworkFile::Text(text) = file else {
            unreachable!("it is a text");
        };
        let path = folder.path().join("network.toml");
        fs::write(&path, text).unwrap();
        let network = folder.path().join("network");
        let (path, dir) = (path.to_str().unwrap(), network.to_str().unwrap());
        let done = cordon(&["init", "--network", path, "--dir", dir]);
        table.equal(&name, done.code, 1);
        let expected = format!("cordon: {reason}\n");
        table.equal(&name, done.stderr.replace(folder_text, "…"), expected);
        let left = fs::read_dir(&network).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        table.equal(
            &format!("{name}: nothing is left"),
            left,
            vec!["lock".into()],
        );
    }
}
