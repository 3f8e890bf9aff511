//! Access policies in a network's files: what is wrong is told with file and line, and leaves nothing.

use std::fs;
use std::path::{Path, PathBuf};

use cordon_tests::{CHANNELS, Network, NetworkFile, Table, cordon, refusal_of, town_text};

/// The town's network file and policies, to be changed.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Self { dir };
        for (channel, _) in CHANNELS {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
            fs::create_dir(files.path(channel)).unwrap();
            for entry in fs::read_dir(from.join(channel)).unwrap() {
                let entry = entry.unwrap();
                let to = files.path(channel).join(entry.file_name());
                fs::copy(entry.path(), to).unwrap();
            }
        }
        // Without a word about access policies: their folders are beside it, by the channels' names.
        let text = town_text();
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("access_policies"));
        let text = lines.collect::<Vec<_>>().join("\n");
        fs::write(files.path("town.toml"), text).unwrap();
        files
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Changes one place in a file.
    fn replace(&self, below: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(below)).unwrap();
        assert!(text.contains(from), "{below} has no {from}");
        fs::write(self.path(below), text.replacen(from, to, 1)).unwrap();
    }
}

/// What is done to the files.
type Change = Box<dyn Fn(&Files)>;

fn replace(below: &'static str, from: &'static str, to: &'static str) -> Change {
    Box::new(move |files| files.replace(below, from, to))
}

fn write(below: &'static str, text: &'static str) -> Change {
    Box::new(move |files| fs::write(files.path(below), text).unwrap())
}

fn cases() -> Vec<(&'static str, Change, &'static str)> {
    let permit = "permit (principal, action, resource);";
    vec![
        (
            "a misspelt interface",
            replace("providers/emr.cedar", "\"Physician\"", "\"Phisician\""),
            "access policies in {}/providers: emr.cedar:14:30: contract emr has no function or interface \"Phisician\"; did you mean \"Physician\"?",
        ),
        (
            "a misspelt function",
            replace(
                "providers/sharing.cedar",
                "Action::\"HealthCenter\"",
                "Action::\"HealthCenter:AuthoriseEmrReading\"",
            ),
            "access policies in {}/providers: sharing.cedar:7:30: contract sharing has no function or interface \"HealthCenter:AuthoriseEmrReading\"; did you mean \"HealthCenter:AuthorizeEmrReading\"?",
        ),
        (
            "a function of another contract",
            replace(
                "cards/cards.cedar",
                "Action::\"Forms\"",
                "Action::\"Parent:ApplyForPlace\"",
            ),
            "cards.cedar:",
        ),
        (
            "an attribute of a wrong type",
            replace(
                "providers/emr.cedar",
                "principal.getTag(\"userRole\") == \"patient\"",
                "principal.getTag(\"userRole\") == 7",
            ),
            "access policies in {}/providers: emr.cedar:20:40: the types Long and String are not compatible",
        ),
        (
            "an attribute that callers do not have",
            replace(
                "reports/reports.cedar",
                "principal.organization == \"SchoolMSP\"",
                "principal.organisation == \"SchoolMSP\"",
            ),
            "access policies in {}/reports: reports.cedar:16:",
        ),
        (
            "a tag that may not be there",
            replace(
                "providers/emr.cedar",
                "principal.hasTag(\"userRole\") && ",
                "",
            ),
            "access policies in {}/providers: emr.cedar:10:",
        ),
        (
            "a syntax error",
            replace(
                "reports/reports.cedar",
                "principal.hasTag(\"school\")\n}",
                "principal.hasTag(\"school\")\n",
            ),
            "access policies in {}/reports: reports.cedar:",
        ),
        (
            "text",
            write("cards/cards.cedar", "everybody may do everything\n"),
            "access policies in {}/cards: cards.cedar:1:",
        ),
        (
            "another contract's name",
            replace(
                "providers/emr.cedar",
                "action in Action::\"Patient\", resource)",
                "action in Action::\"Patient\", resource == Contract::\"sharing\")",
            ),
            "emr.cedar:18: the file applies to Contract::\"emr\" only; this policy names another one",
        ),
        (
            "a caller by name",
            write(
                "cards/cards.cedar",
                "\npermit (principal == Caller::\"pd1\", action, resource);",
            ),
            "cards.cedar:2: a caller has no id to name",
        ),
        (
            "two policies of one name",
            replace(
                "providers/emr.cedar",
                "@id(\"patients\")",
                "@id(\"physicians\")",
            ),
            "emr.cedar:18: @id(\"physicians\") is that of the policy on line 13 already",
        ),
        (
            "an unknown contract's file",
            write("providers/emrs.cedar", permit),
            "access policies in {}/providers: emrs.cedar:1: the channel has no contract \"emrs\"; did you mean \"emr\"?",
        ),
        (
            "a missing folder",
            Box::new(|files| fs::rename(files.path("reports"), files.path("away")).unwrap()),
            "channel reports: cannot read access policies in {}/reports: without them nobody may call anything",
        ),
        (
            "no UTF-8",
            Box::new(|files| fs::write(files.path("cards/cards.cedar"), b"\xff").unwrap()),
            "cannot read {}/cards/cards.cedar",
        ),
    ]
}

/// After these the mended files are tried in the same folder, which costs seconds of making keys.
const PUT_RIGHT: [&str; 3] = ["a misspelt function", "a syntax error", "a missing folder"];

#[test]
fn what_is_wrong_with_access_policies() {
    let mut table = Table::new();
    for (case, change, says) in cases() {
        let (files, mended) = (Files::new(), Files::new());
        change(&files);
        let target = files.path("network");
        let run = |command: &[&str], files: &Files| {
            let network = files.path("town.toml");
            let paths = [&network, &target].map(|path| path.to_str().unwrap());
            cordon(&[command, &["--network", paths[0], "--dir", paths[1]]].concat())
        };
        let says = says.replace("{}", files.dir.path().to_str().unwrap());
        let found = run(&["init"], &files);
        let init = format!("{case}, init");
        table.equal(&init, (found.code, found.stdout.as_str()), (1, ""));
        table.contains(&init, &found.stderr, &says);
        table.holds(&init, found.stderr.starts_with("cordon: "));
        let found = run(&["up", "--json"], &files);
        let up = format!("{case}, up");
        table.equal(&up, (found.code, found.stdout.as_str()), (1, ""));
        let error: serde_json::Value = serde_json::from_str(&found.stderr).unwrap_or_default();
        table.contains(&up, error["error"].as_str().unwrap_or_default(), &says);
        // No key, no block, no configuration: only the file that keeps two from working at once.
        let left: Vec<_> = fs::read_dir(&target)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        let case = format!("{case}: leaves {left:?}");
        table.holds(&case, left.iter().all(|name| name == "lock"));
        if PUT_RIGHT.iter().any(|name| case.starts_with(name)) {
            let found = run(&["init"], &mended);
            let case = format!("{case}, put right");
            table.equal(&case, (found.code, found.stderr.as_str()), (0, ""));
        }
    }
}

/// All that is wrong is told at once, in order of files and lines.
#[test]
fn all_mistakes_are_told() {
    let files = Files::new();
    files.replace(
        "providers/emr.cedar",
        "\"HealthCenter\"",
        "\"HealthCentre\"",
    );
    files.replace("providers/emr.cedar", "\"Patient\"", "\"Patients\"");
    files.replace("providers/sharing.cedar", "\"Physician\"", "\"Physicians\"");
    let (network, target) = (files.path("town.toml"), files.path("network"));
    let args = [
        "--network",
        network.to_str().unwrap(),
        "--dir",
        target.to_str().unwrap(),
    ];
    let found = cordon(&[&["init"], &args[..]].concat());
    assert_eq!(found.code, 1);
    let mut at = 0;
    for place in [
        "emr.cedar:9:30: ",
        "emr.cedar:19:30: ",
        "sharing.cedar:17:30: ",
    ] {
        let next = found.stderr[at..].find(place);
        at += next.unwrap_or_else(|| panic!("no {place} in its place: {}", found.stderr));
    }
}

/// What the files say is what hosts do: without a file nobody may call anything, a policy that forbids
/// outweighs those that permit and is told by name and place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_decide() {
    let files = Files::new();
    fs::write(files.path("providers/sharing.cedar"), "// Nobody.\n").unwrap();
    let path = files.path("providers/emr.cedar");
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().count();
    let forbid = "@id(\"nobody-today\")\nforbid (principal, action == Action::\"Physician:ReadEmr\", resource);\n";
    fs::write(&path, text + forbid).unwrap();
    let town = town_text();
    let from = town
        .lines()
        .find(|line| line.starts_with("access_policies"));
    let to = format!(
        "access_policies = \"{}\"",
        files.path("providers").display()
    );
    let town = town.replacen(from.unwrap(), &to, 1);
    let mut network = Network::provision_from(NetworkFile::Text(town), "warn");
    for organization in [cordon_tests::HOSPITAL, cordon_tests::CLINIC] {
        network.start_host(organization);
    }
    let before = network.settled().await;
    let mut table = Table::new();
    let line = lines + 1;
    for (who, contract, function, args, expected) in [
        (
            "clinic/py2",
            "sharing",
            "Physician:RequestEmr",
            &["HospitalMSP", "pa1"][..],
            "403: no access policy of contract sharing permits Physician:RequestEmr to a caller of ClinicMSP".to_owned(),
        ),
        (
            "hospital/py1",
            "emr",
            "Physician:ReadEmr",
            &["x"],
            format!("403: access policy \"nobody-today\" (emr.cedar:{line}) denies Physician:ReadEmr"),
        ),
        // By every name of the function.
        (
            "hospital/py1",
            "emr",
            "ReadEmr",
            &["x"],
            format!("403: access policy \"nobody-today\" (emr.cedar:{line}) denies Physician:ReadEmr"),
        ),
        (
            "hospital/py1",
            "emr",
            "physician:read-emr",
            &["x"],
            format!("403: access policy \"nobody-today\" (emr.cedar:{line}) denies Physician:ReadEmr"),
        ),
        (
            "hospital/py1",
            "emr",
            "Physician:GetEmrByPatientId",
            &["pa1"],
            "404: This patient has no medical record in your organisation.".to_owned(),
        ),
    ] {
        let call = cordon_client::Call::new(contract, function, args);
        let found = refusal_of(&network.client(who), &call).await;
        table.equal(&format!("{who} {function}"), found, expected);
    }
    table.equal("nothing has changed", network.settled().await, before);
}
