//! `cordon contract package`, and `inspect` of what it makes.

use std::fs;

use cordon_tests::{Table, cordon};
use serde_json::json;

const COMPONENT: &str = r#"(component
    (core module $m (func (export "run")))
    (core instance $i (instantiate $m))
    (func $run (canon lift (core func $i "run")))
    (export "run" (func $run)))"#;

#[test]
fn a_component_becomes_the_package_that_hosts_install() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("emr.wasm"), wat::parse_str(COMPONENT).unwrap()).unwrap();
    fs::write(at("text.wasm"), "no component").unwrap();
    let mut table = Table::new();
    let pack = |args: &[&str]| cordon(&[&["contract", "package", "--json"], args].concat());

    let emr = at("emr.wasm");
    let first = pack(&[&emr, "--version", "1.0", "--out", &at("a.tar.gz")]);
    table.equal("package", first.code, 0);
    let first = first.json();
    table.equal("label", first["label"].clone(), json!("emr_1.0"));
    let again = pack(&[&emr, "--label", "emr_1.0", "--out", &at("b.tar.gz")]);
    table.equal("again", again.code, 0);
    table.equal(
        "the same id",
        again.json()["packageId"].clone(),
        first["packageId"].clone(),
    );
    let bytes = |name: &str| fs::read(at(name)).unwrap();
    table.equal("the same bytes", bytes("a.tar.gz"), bytes("b.tar.gz"));
    let other = pack(&[&emr, "--name", "care", "--out", &at("c.tar.gz")]);
    table.equal(
        "another label",
        other.json()["label"].clone(),
        json!("care"),
    );

    let inspect = |file: &str| cordon(&["contract", "inspect", file, "--json"]).json();
    let (package, component) = (inspect(&at("a.tar.gz")), inspect(&emr));
    table.equal(
        "package id",
        package["packageId"].clone(),
        first["packageId"].clone(),
    );
    table.equal("no package", component["packageId"].clone(), json!(null));
    for field in ["sha256", "bytes", "metadata", "execution"] {
        table.equal(field, package[field].clone(), component[field].clone());
    }
    table.equal("sha256", package["sha256"].clone(), first["sha256"].clone());
    let shown = cordon(&["contract", "inspect", &at("a.tar.gz")]).stdout;
    table.contains("for people", &shown, "package id  emr_1.0:");

    let text = at("text.wasm");
    let broken = at("broken.tar.gz");
    fs::write(&broken, &bytes("a.tar.gz")[..60]).unwrap();
    for (case, args, says) in [
        (
            "no component",
            &["package", &text][..],
            "not an acceptable component",
        ),
        (
            "no file",
            &["package", "nowhere.wasm"],
            "cannot read nowhere.wasm",
        ),
        (
            "label",
            &["package", &emr, "--label", "a/b"],
            "is not a label",
        ),
        (
            "version",
            &["package", &emr, "--version", "1 0"],
            "is not a version",
        ),
        (
            "name",
            &["package", &emr, "--name", "_x"],
            "give the package a label with --label",
        ),
        (
            "out",
            &["package", &emr, "--out", "/nowhere/x"],
            "cannot write /nowhere/x",
        ),
        (
            "damaged",
            &["inspect", &broken],
            "is no package of a contract",
        ),
    ] {
        let found = cordon(&[&["contract"], args].concat());
        table.equal(case, found.code, 1);
        table.contains(case, &found.stderr, says);
    }
}
