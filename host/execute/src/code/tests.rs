use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::profile::Compiler;

fn component() -> Vec<u8> {
    wat::parse_str(
        r#"(component
            (core module $m (func (export "run") (result i32) (i32.const 42)))
            (core instance $i (instantiate $m))
            (func (export "run") (result u32) (canon lift (core func $i "run"))))"#,
    )
    .unwrap()
}

fn code(profile: &Profile) -> (Vec<u8>, CodeKey) {
    let bytes = compile_code(profile.clone(), &component()).unwrap();
    let runtime = Runtime::new(profile.clone()).unwrap();
    let key = runtime.code_key(Sha256::digest(component()).into());
    (bytes, key)
}

/// Hands out functions and counts those that it does not have.
#[derive(Debug)]
struct Counting(Functions, AtomicUsize);

impl CacheStore for Counting {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let found = self.0.get(key);
        if found.is_none() {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        self.0.insert(key, value)
    }
}

#[test]
fn a_childs_code_leaves_nothing_to_compile() {
    let profile = Profile::default();
    let (code, key) = code(&profile);
    for (functions, expected) in [
        (Code::read(&code, &key).unwrap().0, false),
        (BTreeMap::new(), true),
    ] {
        let store = Arc::new(Counting(
            Functions(Mutex::new(functions)),
            AtomicUsize::new(0),
        ));
        let runtime = Runtime::collecting(profile.clone(), store.clone()).unwrap();
        runtime.compile(&component()).unwrap();
        let missed = store.1.load(Ordering::Relaxed);
        assert_eq!(
            missed > 0,
            expected,
            "{missed} functions were compiled again"
        );
    }
}

#[test]
fn code_is_the_same_each_time_and_belongs_to_its_engine_and_settings() {
    let profile = Profile::default();
    let (first, key) = code(&profile);
    assert_eq!(code(&profile), (first.clone(), key));
    for other in [
        Profile {
            compiler: Compiler::CraneliftUnoptimised,
            ..profile.clone()
        },
        Profile {
            nan_canonical: false,
            ..profile.clone()
        },
        Profile {
            fuel_metered: false,
            ..profile.clone()
        },
    ] {
        let (_, other_key) = code(&other);
        assert_ne!(other_key, key, "{other:?}");
        assert!(Code::read(&first, &other_key).is_none());
    }
    let runtime = Runtime::new(profile).unwrap();
    assert_ne!(runtime.code_key([0; 32]), runtime.code_key([1; 32]));
}

#[test]
fn code_that_is_not_whole_is_not_taken() {
    let (code, key) = code(&Profile::default());
    assert!(Code::read(&code, &key).is_some());
    for at in 0..code.len() {
        let mut flipped = code.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(Code::read(&flipped, &key).is_none(), "byte {at}");
    }
    for len in 0..code.len() {
        assert!(Code::read(&code[..len], &key).is_none(), "{len} bytes");
    }
    // With a digest that fits, but of something else.
    let mut other = key.0.to_vec();
    other.extend_from_slice(b"\xff\xff\xff\xff\x0f nonsense");
    let digest = Sha256::digest(&other);
    other.extend_from_slice(&digest);
    assert!(Code::read(&other, &key).is_none());
}
