//! Makes the seeds of the fuzz targets and the block files that one of them damages:
//! `cargo test -p cordon-fuzz-bodies --test seeds -- --ignored`. Signatures and salts are new every
//! time, so nothing else in the repository may depend on the bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which lints do not take for tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cordon_execute::{Profile, Runtime};
use cordon_fuzz_bodies::samples;
use cordon_ledger::{CommitBlock, Ledger, Options};
use cordon_policy::EndorsementPolicy;
use cordon_wire::proposal::serialized_identity;
use cordon_wire::proto::common;
use cordon_wire::rw_set::encode_rw_set;
use cordon_wire::{Message as _, encode};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Writes the seeds of a target in place of those that are there.
fn seeds(target: &str, seeds: Vec<(String, Vec<u8>)>) {
    let dir = repository().join("tests/fuzz/corpus").join(target);
    drop(fs::remove_dir_all(&dir));
    fs::create_dir_all(&dir).unwrap();
    for (name, bytes) in seeds {
        assert!(bytes.len() < 8 << 10, "{name} has {} bytes", bytes.len());
        fs::write(dir.join(name), bytes).unwrap();
    }
}

fn seed(name: impl Into<String>, bytes: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.into(), bytes.as_ref().to_vec())
}

/// With the byte before it that says what it is.
fn of_kind(kind: u8, name: impl Into<String>, bytes: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.into(), [&[kind], bytes.as_ref()].concat())
}

#[test]
#[ignore = "writes into the repository"]
fn messages() {
    let proposal = samples::proposal(1);
    let mut unsigned = proposal.clone();
    unsigned.signature = Bytes::new();
    seeds(
        "proposal",
        vec![
            seed("signed", encode(&proposal)),
            seed("unsigned", encode(&unsigned)),
        ],
    );
    let first = {
        let mut envelope = samples::configuration(3);
        let mut payload = common::Payload::decode(envelope.payload).unwrap();
        payload.data = cordon_wire::config::first_config(&Bytes::from_static(b"{}"));
        envelope.payload = encode(&payload);
        envelope
    };
    seeds(
        "envelope",
        vec![
            seed("transaction", encode(&samples::transaction(1))),
            seed("configuration", encode(&samples::configuration(2))),
            seed("first-configuration", encode(&first)),
            seed("seek", encode(&samples::seek())),
        ],
    );
    let empty = samples::chained_block(0, None);
    seeds(
        "block",
        vec![
            seed("without-transactions", &empty),
            seed("with-transactions", encode(&samples::block())),
            seed("read-write-set", encode_rw_set(&samples::rw_set())),
        ],
    );
}

#[test]
#[ignore = "writes into the repository"]
fn identities() {
    let dir = repository().join("host/identity/tests/fixtures");
    let fixture = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let mut all = Vec::new();
    for name in [
        "user1",
        "physician",
        "odd-names",
        "p384",
        "ed25519",
        "revoked",
    ] {
        let pem = fixture(&format!("{name}.pem"));
        let certificate = cordon_identity::Certificate::from_pem(pem.as_bytes()).unwrap();
        all.push(of_kind(1, format!("{name}.der"), certificate.der()));
        if ["user1", "physician"].contains(&name) {
            all.push(of_kind(0, format!("{name}.pem"), &pem));
            let creator = serialized_identity("Org1MSP", &pem);
            all.push(of_kind(4, format!("{name}.creator"), creator));
        }
    }
    for name in ["org1-crl", "org1-crl-ica", "foreign-crl"] {
        all.push(of_kind(2, name, fixture(&format!("{name}.pem"))));
    }
    let config = serde_json::json!({
        "msp_id": "Org1MSP",
        "root_certs": [fixture("org1-ca.pem")],
        "intermediate_certs": [fixture("org1-ica.pem")],
        "admins": [fixture("admin.pem")],
        "revocation_list": [fixture("org1-crl.pem")],
        "tls_root_certs": [fixture("org1-ca.pem")],
    });
    all.push(of_kind(3, "configuration.json", config.to_string()));
    for name in ["user1.sig", "user1-high-s.sig", "p384.sig", "ed25519.sig"] {
        all.push(of_kind(5, name, fs::read(dir.join(name)).unwrap()));
    }
    for name in ["user1.key", "user1-sec1.key", "ed25519.key"] {
        all.push(of_kind(6, name, fixture(name)));
    }
    seeds("certificate", all);
}

#[test]
#[ignore = "writes into the repository"]
fn json() {
    // The bytes that choose the type (`shape` in `src/json.rs`), and a text.
    let cases: [(&str, &[u8], &str); 15] = [
        ("bool", &[0], "true"),
        ("s64", &[0xd1], "\"-9223372036854775808\""),
        ("u64", &[0xd2], "9007199254740993"),
        ("f32", &[3], "-0.0"),
        ("f64", &[4], "\"-Infinity\""),
        ("char", &[5], "\"\\ud83d\\ude00\""),
        ("string", &[6], "raw, not \"JSON\""),
        ("bytes", &[7], "\"AAECAw==\""),
        ("enum", &[0xc8], "\"in-care\""),
        ("flags", &[0xb9], "[\"b-c\",\"n1\"]"),
        ("list", &[10, 6], "[\"a\",\"\",\"é\"]"),
        ("option-in-option", &[11, 11, 1], "{\"some\":null}"),
        ("record", &[0x7d, 6, 11, 4], "{\"fX0\":\"p1\",\"fX1\":1e3}"),
        ("variant", &[0x7e, 2], "{\"c0\":255}"),
        ("result", &[0xdf, 12, 0, 6], "{\"ok\":[true]}"),
    ];
    let seeds_of = |(name, shape, text): (&str, &[u8], &str)| {
        let length = [shape.len() as u8];
        seed(name, [&length, shape, text.as_bytes()].concat())
    };
    seeds("json", cases.map(seeds_of).to_vec());
}

#[test]
#[ignore = "writes into the repository"]
fn policies() {
    let texts = [
        "OR('Org1MSP.member')",
        "AND('Org1MSP.peer', OutOf(1,'Org2MSP.member'))",
        "OutOf(2,'A.member','B.client','C.admin')",
        "OutOf(2, 'A.member', 'A.peer', AND(\"B.peer\", 'A.orderer'), Or('C.peer','D.peer'))",
        "OutOf(2,'A.peer')",
        "OutOf(0,'A.peer')",
        "AND ( 'HospitalMSP.peer' ,\t'ClinicMSP.peer' )\n",
    ];
    let mut all = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        all.push(seed(format!("text-{number}"), text));
        let message = EndorsementPolicy::parse(text).unwrap().to_proto();
        all.push(seed(format!("message-{number}"), encode(&message)));
    }
    seeds("endorsement_policy", all);

    let mut all = Vec::new();
    for file in [
        "providers/emr",
        "providers/sharing",
        "cards/cards",
        "reports/reports",
    ] {
        let path = repository()
            .join("policies")
            .join(file)
            .with_extension("cedar");
        let text = fs::read_to_string(path).unwrap();
        // For the contract and the functions that the target has.
        all.push(seed(file.replace('/', "-"), text));
    }
    let own = [
        "permit(principal, action, resource);",
        "@id(\"physicians\")\npermit(principal, action == Action::\"Physician:ReadEmr\", resource)\nwhen { principal.hasTag(\"userRole\") && principal.getTag(\"userRole\") == \"physician\" };",
        "forbid(principal, action, resource) unless { 1 + 2 * 3 > 4 || [1, 2].contains(3) };",
        "permit(principal, action, resource) when { if true then {a: 1}.a == 1 else \"x\" like \"*\\\"x*\" }; // end",
    ];
    for (number, text) in own.iter().enumerate() {
        all.push(seed(format!("own-{number}"), text));
    }
    seeds("access_policy", all);
}

#[test]
#[ignore = "writes into the repository"]
fn packages() {
    use std::io::Read as _;
    let package =
        cordon_lifecycle::Package::write(&"emr_1".parse().unwrap(), "", b"\0asm").unwrap();
    let unzip = |bytes: &[u8]| {
        let mut unpacked = Vec::new();
        let mut gzip = flate2::bufread::GzDecoder::new(bytes);
        gzip.read_to_end(&mut unpacked).unwrap();
        unpacked
    };
    let tar = unzip(package.bytes());
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut entry = archive.entries().unwrap().nth(1).unwrap().unwrap();
    let mut code = Vec::new();
    entry.read_to_end(&mut code).unwrap();
    seeds(
        "package",
        vec![
            of_kind(0, "whole", package.bytes()),
            of_kind(1, "outer", &tar),
            of_kind(2, "inner", unzip(&code)),
        ],
    );
}

/// Components in text, made small by hand; compiled contracts are twenty times a seed's size.
const COMPONENTS: [(&str, &str); 8] = [
    (
        "plain",
        r#"(component
            (core module $m (func (export "run")))
            (core instance $i (instantiate $m))
            (func $run (canon lift (core func $i "run")))
            (export "run" (func $run)))"#,
    ),
    (
        "loops",
        r#"(component
            (core module $m (memory 1)
                (func $f (param i32) (local i32)
                    (loop (local.set 1 (memory.grow (i32.const 1)))
                        (i32.store (i32.const 8) (i32.add (local.get 1) (local.get 0)))
                        (br_if 0 (i32.ne (local.get 1) (i32.const -1)))))
                (func (export "run") (call $f (i32.const 3)) (loop (br 0))))
            (core instance $i (instantiate $m))
            (func $run (canon lift (core func $i "run")))
            (instance $api (export "run" (func $run)))
            (export "t:a/api@1.0.0" (instance $api)))"#,
    ),
    (
        "recursion-and-tables",
        r#"(component
            (core module $m (table 4 funcref) (elem (i32.const 0) $f $g)
                (type $t (func (param i32) (result i32)))
                (func $f (type $t) (call_indirect (type $t) (local.get 0) (i32.const 1)))
                (func $g (type $t) (call $f (i32.div_s (local.get 0) (i32.const 2))))
                (func (export "run") (result i32) (call $f (i32.const 9))))
            (core instance $i (instantiate $m))
            (func $run (result u32) (canon lift (core func $i "run")))
            (export "run" (func $run)))"#,
    ),
    (
        "numbers",
        r#"(component
            (core module $m
                (func (export "f") (param i32 i64 f32 f64) (result f64)
                    (f64.div (f64.add (f64.promote_f32 (local.get 2)) (local.get 3))
                        (f64.convert_i64_s (i64.sub (local.get 1) (i64.extend_i32_u (local.get 0))))))
                (func (export "g") (param i32) (result i32) (i32.trunc_f32_s (f32.convert_i32_u (local.get 0)))))
            (core instance $i (instantiate $m))
            (func $f (param "a" u8) (param "b" s64) (param "c" f32) (param "d" f64) (result f64)
                (canon lift (core func $i "f")))
            (func $g (param "a" char) (result bool) (canon lift (core func $i "g")))
            (export "f" (func $f))
            (export "g" (func $g)))"#,
    ),
    (
        "texts",
        r#"(component
            (core module $m (memory (export "mem") 1)
                (global $next (mut i32) (i32.const 1024))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (global.get $next)
                    (global.set $next (i32.add (global.get $next) (local.get 3))))
                (func (export "echo") (param i32 i32) (result i32)
                    (i32.store (i32.const 16) (local.get 0))
                    (i32.store (i32.const 20) (local.get 1))
                    (i32.const 16)))
            (core instance $i (instantiate $m))
            (alias core export $i "mem" (core memory $mem))
            (func $echo (param "text" string) (result string)
                (canon lift (core func $i "echo") (memory $mem) (realloc (core func $i "realloc"))))
            (export "echo" (func $echo)))"#,
    ),
    (
        "answers",
        r#"(component
            (core module $m (memory (export "mem") 1) (data (i32.const 64) "why not")
                (func (export "refuse") (result i32)
                    (i32.store8 (i32.const 16) (i32.const 1))
                    (i32.store8 (i32.const 20) (i32.const 3))
                    (i32.store (i32.const 24) (i32.const 64))
                    (i32.store (i32.const 28) (i32.const 7))
                    (i32.const 16)))
            (core instance $i (instantiate $m))
            (alias core export $i "mem" (core memory $mem))
            (type $error' (variant (case "invalid" string) (case "forbidden" string)
                (case "not-found" string) (case "conflict" string)))
            (export $error "error" (type $error'))
            (func $refuse (result (result (error $error)))
                (canon lift (core func $i "refuse") (memory $mem)))
            (export "refuse" (func $refuse)))"#,
    ),
    (
        "calls-the-host",
        r#"(component
            (import "cordon:contract/context@1.0.0" (instance $context
                (export "channel" (func (result string)))))
            (core module $libc (memory (export "mem") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 512)))
            (core instance $libc (instantiate $libc))
            (alias core export $libc "mem" (core memory $mem))
            (alias export $context "channel" (func $channel))
            (core func $lowered (canon lower (func $channel) (memory $mem) (realloc (core func $libc "realloc"))))
            (core module $m (import "h" "channel" (func $channel (param i32)))
                (func (export "run") (result i32) (call $channel (i32.const 32)) (i32.const 32)))
            (core instance $i (instantiate $m (with "h" (instance (export "channel" (func $lowered))))))
            (func $run (result string) (canon lift (core func $i "run") (memory $mem)))
            (export "run" (func $run)))"#,
    ),
    (
        "forbidden-import",
        r#"(component
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result u64)))))
            (core module $m (func (export "run")))
            (core instance $i (instantiate $m))
            (func $run (canon lift (core func $i "run")))
            (export "run" (func $run)))"#,
    ),
];

#[test]
#[ignore = "writes into the repository"]
fn components() {
    let parsed = COMPONENTS.map(|(name, text)| seed(name, wat::parse_str(text).unwrap()));
    let runtime = Runtime::new(Profile::default()).unwrap();
    for (name, bytes) in &parsed {
        let installed = runtime.compile(bytes);
        let refused = installed.err().map(|error| error.to_string());
        assert_eq!(
            refused.is_some(),
            name == "forbidden-import",
            "{name}: {refused:?}"
        );
    }
    seeds("component", parsed.to_vec());
}

#[test]
#[ignore = "writes into the repository"]
fn block_files() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        cache_bytes: 1 << 20,
        segment_bytes: 1500,
    };
    let (ledger, _) = Ledger::open(dir.path(), options).unwrap();
    let mut last = None;
    for number in 0..samples::BLOCKS {
        let block = samples::chained_block(number, last.as_ref());
        ledger
            .commit(&CommitBlock::parse(block.clone()).unwrap())
            .unwrap();
        last = Some(block);
    }
    ledger.close().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/blocks");
    for segment in 0..3 {
        let name = format!("{segment:08}.seg");
        let bytes = fs::read(dir.path().join("blocks").join(&name)).unwrap();
        println!("{name}: {} bytes", bytes.len());
        fs::write(fixtures.join(name), bytes).unwrap();
    }
    assert!(!dir.path().join("blocks/00000003.seg").exists());

    let next = samples::chained_block(samples::BLOCKS, last.as_ref());
    seeds(
        "block_files",
        vec![
            seed("untouched-opened", [0x10]),
            seed("untouched-verified", [0x20]),
            seed("cut-off", [0x01, 0, 0, 2, 0, 0, 0, 80]),
            seed("bit-flipped", [0x20, 0x61, 0, 1, 0, 0, 1, 0]),
            seed("sector-lost", [0x10, 2, 0, 0, 0, 0, 1, 44, 2, 0]),
            seed(
                "written-elsewhere",
                [0x21, 3, 0, 1, 0, 2, 0, 40, 0, 60, 1, 0],
            ),
            seed("segment-lost", [0x20, 6, 0, 1]),
            seed("segments-swapped", [0x11, 7, 0, 0, 0, 2]),
            seed("next-block", [&[0x80][..], &next].concat()),
            seed(
                "first-block-again",
                [&[0x80][..], &samples::chained_block(0, None)].concat(),
            ),
        ],
    );
}
