//! How long a decision takes; by hand: `cargo test --release -p cordon-policy measure -- --ignored
//! --nocapture`.

use std::time::Instant;

use super::tests::{FUNCTIONS, caller, emr, only};

#[test]
#[ignore = "tells a time, asserts none"]
fn measure_a_decision_among_ten_policies() {
    let policy = "permit (principal, action in Action::\"Physician\", resource) when { \
                  principal.hasTag(\"userRole\") && principal.getTag(\"userRole\") == \"rN\" };\n";
    let text: Vec<String> = (0..10)
        .map(|n| policy.replace('N', &n.to_string()))
        .collect();
    let text = text.concat();
    let start = Instant::now();
    let policies = only(&text);
    println!("compiled in {:?}", start.elapsed());
    let attributes = [
        ("hf.Affiliation", "a.b"),
        ("hf.Type", "client"),
        ("userRole", "r9"),
        ("x", "y"),
    ];
    let caller = caller(&attributes);
    for function in ["Physician:ReadEmr", FUNCTIONS[0]] {
        let rounds = 100_000;
        let start = Instant::now();
        let permitted = (0..rounds)
            .filter(|_| policies.authorize(&caller, &emr(), function).is_ok())
            .count();
        let each = start.elapsed() / rounds;
        println!("{function}: {each:?} each, {permitted} of {rounds} permitted");
    }
}
