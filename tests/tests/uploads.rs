//! Hostile components: what would keep a compiler busy for minutes, or fill a machine's memory, is refused
//! or cut off while hosts go on endorsing; and compiled code that is kept survives whatever happens to it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use cordon_channel::{ChannelConfig, genesis_block};
use cordon_client::{Call, Client};
use cordon_compile::Apart;
use cordon_execute::{Profile, Runtime};
use cordon_tests::{
    CARDS, CLINIC, HOSPITAL, Network, NetworkFile, Random, binary, cordon, create_emr,
};

// === components that compilers do not like ===

/// What the limits let through, the child is cut off at.
const CUT_OFF: &str = "compiling the component takes more than ";

fn component(core: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (core module $m {core} (func (export "run")))
            (core instance $i (instantiate $m))
            (func (export "run") (canon lift (core func $i "run"))))"#
    ))
    .unwrap()
}

fn repeated(times: usize, text: impl Fn(usize) -> String) -> String {
    (0..times).map(text).collect::<Vec<_>>().concat()
}

/// Every local is live, and may be another, in each of so many loops.
fn locals_in_loops(locals: usize, loops: usize) -> Vec<u8> {
    let mix = repeated(locals, |n| {
        let other = (n * 7 + 1) % locals;
        format!("(local.set {n} (i64.add (local.get {n}) (local.get {other})))")
    });
    let ends = repeated(loops, |n| {
        format!("(br_if 0 (i32.wrap_i64 (local.get {}))))", n % locals)
    });
    let locals = "i64 ".repeat(locals);
    component(&format!(
        "(func (local {locals}) {}{mix}{ends})",
        "(loop ".repeat(loops)
    ))
}

/// As many values alive at once, in each of so many functions.
fn values_alive(values: usize, functions: usize) -> Vec<u8> {
    let make = repeated(values, |n| {
        format!("local.get 0 i64.const {} i64.mul ", n + 3)
    });
    let function = format!(
        "(func (param i64) (result i64) {make} {})",
        "i64.xor ".repeat(values - 1)
    );
    component(&function.repeat(functions))
}

/// One long chain of operations in each of so many functions.
fn long_chains(operations: usize, functions: usize) -> Vec<u8> {
    let function = format!(
        "(func (param i64) (result i64) local.get 0 {})",
        "local.get 0 i64.rotl ".repeat(operations)
    );
    component(&function.repeat(functions))
}

/// Branch tables with so many targets.
fn branch_table(targets: usize) -> Vec<u8> {
    component(&format!(
        "(func (param i32) (block (br_table {} (local.get 0))))",
        "0 ".repeat(targets)
    ))
}

fn parameters(count: usize) -> Vec<u8> {
    component(&format!("(func (param {}))", "i64 ".repeat(count)))
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Component types in one another, three bytes for each.
fn nested_types(levels: usize) -> Vec<u8> {
    let types = [
        b"\x01".to_vec(),
        b"\x42\x01\x01".repeat(levels),
        b"\x42\0".to_vec(),
    ]
    .concat();
    [COMPONENT.to_vec(), section(7, &types)].concat()
}

/// A component inside is instantiated so often, each time with an instance of so many functions, whose
/// type is to be compared one by one.
fn compared_types(functions: usize, times: usize) -> Vec<u8> {
    let mut instance = [
        b"\x42".to_vec(),
        leb(functions + 1),
        b"\x01\x40\0\x01\0".to_vec(),
    ]
    .concat();
    for n in 0..functions {
        let name = format!("f{n:x}");
        instance.extend(
            [
                b"\x04\0",
                leb(name.len()).as_slice(),
                name.as_bytes(),
                b"\x01\0",
            ]
            .concat(),
        );
    }
    let types = section(7, &[b"\x01", instance.as_slice()].concat());
    let inner = [COMPONENT, &types, &section(10, b"\x01\0\x01x\x05\0")].concat();
    let instances = [leb(times), b"\0\0\x01\x01x\x05\0".repeat(times)].concat();
    [
        COMPONENT,
        &types,
        &section(10, b"\x01\0\x01i\x05\0"),
        &section(4, &inner),
        &section(5, &instances),
    ]
    .concat()
}

/// A function whose body says that it has six gigabytes, in a file that has not.
fn six_gigabytes() -> Vec<u8> {
    let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\xff\xff\xff\xff\x0f\x01";
    let mut bytes = b"\0asm\x0d\0\x01\0\x01".to_vec();
    bytes.push(module.len() as u8);
    bytes.extend_from_slice(module);
    bytes
}

/// What a component is refused with, as the command line says it.
fn refused_as(path: &Path) -> String {
    let done = cordon(&["contract", "inspect", path.to_str().unwrap()]);
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(done.stdout, "", "{done:?}");
    done.stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn compile_bombs_are_refused_or_cut_off_while_hosts_endorse() {
    let mut network = Network::provision();
    network.start_host(HOSPITAL);
    network.start_host(CLINIC);
    network.settled().await;
    let folder = tempfile::tempdir().unwrap();

    let bombs: Vec<(&str, Vec<u8>, &str)> = vec![
        ("locals", locals_in_loops(1_900, 900), CUT_OFF),
        ("chains", long_chains(40_000, 30), CUT_OFF),
        ("alive", values_alive(14_000, 25), CUT_OFF),
        ("nested", nested_types(100_000), CUT_OFF),
        ("compared", compared_types(40_000, 990), CUT_OFF),
        (
            "more-locals",
            locals_in_loops(2_100, 2),
            "2100 locals in one function; at most 2000",
        ),
        (
            "branches",
            branch_table(100_000),
            "targets of one branch table; at most 2000",
        ),
        (
            "parameters",
            parameters(900),
            "900 parameters and results of one function; at most 100",
        ),
        (
            "functions",
            component(&"(func)".repeat(200_000)),
            "200001 functions; at most 10000",
        ),
        (
            "long",
            long_chains(50_000, 1),
            "bytes in one function; at most 131072",
        ),
        (
            "six-gigabytes",
            six_gigabytes(),
            "not an acceptable component: ",
        ),
        (
            "large",
            vec![0; 64 << 20],
            "it has 67108864 bytes; a component has at most 4194304",
        ),
    ];
    let stop = AtomicBool::new(false);
    let (stop, folder) = (&stop, folder.path());
    let client = network.client("hospital/hc1");
    let serving = async {
        let mut served = 0;
        while !stop.load(Ordering::Relaxed) {
            let created = create_emr(&client, &format!("during-{served}")).await;
            assert!(created.is_ok(), "{:?}", created.map(drop));
            served += 1;
        }
        served
    };
    let refusing = async {
        for (name, bytes, expected) in bombs {
            let path = folder.join(format!("{name}.wasm"));
            fs::write(&path, bytes).unwrap();
            let refused = tokio::task::spawn_blocking(move || refused_as(&path));
            let text = refused.await.unwrap();
            assert!(
                text.contains(expected),
                "{name}: {text} does not say {expected}"
            );
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (served, ()) = tokio::join!(serving, refusing);
    assert!(
        served > 20,
        "only {served} transactions were committed meanwhile"
    );
    network.settled().await;
    network.stop_all();
}

/// Block 0 of a channel cannot be made with a bomb in it by `cordon init`; an adversary makes it by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_serves_its_other_channels_when_one_has_a_bomb() {
    let mut network = Network::provision_from(NetworkFile::Town, "warn");
    let bombs = [
        ("nested", nested_types(100_000)),
        ("locals", locals_in_loops(1_900, 900)),
    ];
    for (name, bomb) in bombs {
        let host = network.config(HOSPITAL);
        let sha256 = hex::encode(cordon_wire::sha256([bomb.as_slice()]));
        let component = format!("components/{sha256}.wasm");
        fs::write(host.with_file_name(component), bomb).unwrap();
        let path = host.with_file_name("channels").join("providers.block");
        let block = Bytes::from(fs::read(&path).unwrap());
        let mut config = ChannelConfig::from_genesis(&block).unwrap();
        config.contracts[0].sha256 = sha256;
        fs::write(&path, genesis_block(&config)).unwrap();
        // The ledger of the channel as it was is another one.
        let _ = fs::remove_dir_all(network.data(HOSPITAL, "channels/providers"));

        network.start_host(HOSPITAL);
        let refused = create_emr(&network.client("hospital/hc1"), "pa1").await;
        let text = refused.map(drop).unwrap_err().to_string();
        assert!(
            text.contains("contract emr: ") && text.contains(CUT_OFF),
            "{name}: {text}"
        );
        let cards = Client::new(
            CARDS,
            network.signer("hospital/hc1"),
            network.connection(HOSPITAL),
        );
        let metadata = Call::new("cards", "org.hyperledger.fabric:GetMetadata", &[]);
        assert!(cards.evaluate(&metadata).await.is_ok(), "{name}");
        assert!(
            network.host(HOSPITAL).resident_peak_bytes() < 300 << 20,
            "{name}"
        );
        network.stop_all();
    }
}

// === compiled code that is kept ===

/// Every file of compiled code in a folder.
fn kept(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Compiles components with this program and the code in the folder, and shares nothing else with
/// anybody.
fn compile(program: &Path, folder: &Path, components: &[Vec<u8>]) {
    let apart = Apart {
        program: program.to_owned(),
        arguments: vec!["compile-component".to_owned()],
        kept: Some(folder.to_owned()),
    };
    let runtime = Runtime::with_code_from(Profile::default(), Arc::new(apart)).unwrap();
    for component in components {
        runtime.compile(component).unwrap();
    }
}

/// Compiles with what the folder holds: there is nothing that could make more.
fn compile_from(folder: &Path, components: &[Vec<u8>]) {
    compile(Path::new("/bin/false"), folder, components);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_makes_damaged_code_anew() {
    let mut network = Network::provision();
    network.start_host(CLINIC);
    let components: Vec<Vec<u8>> = kept(&network.config(HOSPITAL).with_file_name("components"))
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    let folder = network.data(HOSPITAL, "compiled");
    assert!(!folder.exists());
    network.start_host(HOSPITAL);
    network.settled().await;
    let files = kept(&folder);
    assert_eq!(files.len(), components.len());
    compile_from(&folder, &components);

    let good = fs::read(&files[0]).unwrap();
    for damage in [
        "cut",
        "empty",
        "flipped",
        "another-components",
        "another-versions",
        "gone",
    ] {
        network.stop(HOSPITAL, "TERM");
        let mut bytes = good.clone();
        match damage {
            "cut" => bytes.truncate(good.len() / 2),
            "empty" => bytes.clear(),
            "flipped" => bytes[good.len() / 2] ^= 1,
            "another-components" => bytes = fs::read(&files[1]).unwrap(),
            // The key comes first.
            "another-versions" => bytes[..32].fill(7),
            _ => fs::remove_file(&files[0]).unwrap(),
        }
        if damage != "gone" {
            fs::write(&files[0], bytes).unwrap();
        }
        network.start_host(HOSPITAL);
        network.settled().await;
        let created = create_emr(&network.client("hospital/hc1"), damage).await;
        assert!(created.is_ok(), "{damage}: {:?}", created.map(drop));
        assert_eq!(kept(&folder), files, "{damage}");
        compile_from(&folder, &components);
    }
    network.stop_all();
}

#[test]
fn processes_share_compiled_code_while_it_is_damaged_under_them() {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/contracts");
    let components =
        ["emr", "cards"].map(|name| fs::read(contracts.join(format!("{name}.wasm"))).unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let (folder, components) = (temporary.path(), &components[..]);
    compile(&binary(), folder, components);
    let files = kept(folder);
    assert_eq!(files.len(), components.len());
    compile_from(folder, components);

    let damage = |random: &mut Random| {
        let path = &files[usize::from(random.below(2) == 0)];
        let mut bytes = fs::read(path).unwrap();
        let at = usize::try_from(random.below(1 + bytes.len() as u64)).unwrap();
        if random.below(2) == 0 {
            bytes.truncate(at);
        } else if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1;
        }
        fs::write(path, bytes).unwrap();
    };
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let damage = &damage;
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for _ in 0..4 {
                    damage(&mut random);
                    compile(&binary(), folder, components);
                }
            });
        }
    });
    compile(&binary(), folder, components);
    compile_from(folder, components);
    assert_eq!(kept(folder), files, "nothing else is left in the folder");
}
