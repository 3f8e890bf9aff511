//! The town with contracts added that only tests deploy.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::network::NetworkFile;
use crate::town::town_text;

/// A contract added to a channel of the town. Everybody of the channel may call everything of it.
pub struct Deployed {
    /// Channel.
    pub channel: &'static str,
    /// Name on the channel.
    pub name: String,
    /// The component's file.
    pub component: PathBuf,
    /// Endorsement policy.
    pub endorsement_policy: &'static str,
}

/// The town's network file with these contracts too. What it names lies in the folder, which must live
/// until the network is provisioned.
pub fn town_with(contracts: &[Deployed]) -> (NetworkFile, TempDir) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().unwrap();
    let mut text = town_text();
    for contract in contracts {
        let Deployed {
            channel,
            name,
            component,
            endorsement_policy,
        } = contract;
        let policies = folder.path().join(channel);
        if !policies.exists() {
            let town = root.join("policies").join(channel);
            copy(&town, &policies);
            let (from, to) = (town.display().to_string(), policies.display().to_string());
            assert_eq!(text.matches(&from).count(), 1, "{text}");
            text = text.replace(&from, &to);
        }
        let everything = root.join("tests/hostile/policies/everything.cedar");
        fs::copy(everything, policies.join(format!("{name}.cedar"))).unwrap();
        let component = component.display();
        let contract = format!(
            "[[channels.contracts]]\nname = \"{name}\"\nversion = \"1.0.0\"\ncomponent = \"{component}\"\nendorsement_policy = \"{endorsement_policy}\"\n\n"
        );
        // Behind the channel's other contracts: before the next channel, or at the end.
        let here = text
            .find(&format!("[[channels]]\nname = \"{channel}\""))
            .unwrap();
        let next = text[here + 1..].find("[[channels]]");
        let at = next.map_or(text.len(), |next| here + 1 + next);
        text.insert_str(at, &format!("\n{contract}"));
    }
    (NetworkFile::Text(text), folder)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
