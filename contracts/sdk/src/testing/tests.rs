//! The double behaves as `wit/contract.wit` says.

use super::*;
use crate::error::Result;
use crate::world::{Range, World};

fn keys(world: &mut TestWorld, range: Range<'_>) -> Vec<String> {
    let page = world.call(|tx| tx.scan(range, 1000, None)).unwrap();
    page.entries.into_iter().map(|entry| entry.key).collect()
}

#[test]
fn a_refused_call_changes_nothing() {
    let mut world = TestWorld::new();
    world.call(|tx| tx.put("a", b"1")).unwrap();
    let before = world.state();
    let refused: Result<()> = world.call(|tx| {
        tx.put("a", b"2")?;
        tx.delete("a")?;
        tx.emit("Changed", b"")?;
        Err(Error::Conflict("no".to_owned()))
    });
    assert!(refused.is_err());
    assert_eq!(world.state(), before);
    assert_eq!(world.events(), []);
    assert_eq!(
        world
            .call(|tx| tx.history("a", 10, None))
            .unwrap()
            .changes
            .len(),
        1
    );
}

#[test]
fn a_call_reads_its_own_writes() {
    let mut world = TestWorld::new();
    world
        .call(|tx| tx.put("a", b"1").and(tx.put("b", b"1")))
        .unwrap();
    let found = world.call(|tx| {
        tx.delete("a")?;
        tx.put("c", b"2")?;
        assert_eq!(tx.get("a")?, None);
        assert_eq!(tx.get("c")?, Some(b"2".to_vec()));
        tx.scan(Range::Prefix(""), 1000, None)
    });
    let found: Vec<_> = found
        .unwrap()
        .entries
        .into_iter()
        .map(|entry| entry.key)
        .collect();
    assert_eq!(found, ["b", "c"]);
}

#[test]
fn ranges_and_pages_are_as_documented() {
    let mut world = TestWorld::new();
    world
        .call(|tx| {
            ["a", "b", "ba", "bb", "c"]
                .iter()
                .try_for_each(|key| tx.put(key, b""))
        })
        .unwrap();
    assert_eq!(keys(&mut world, Range::Prefix("b")), ["b", "ba", "bb"]);
    assert_eq!(keys(&mut world, Range::Between("ba", "c")), ["ba", "bb"]);
    assert_eq!(keys(&mut world, Range::Between("bb", "")), ["bb", "c"]);
    let first = world
        .call(|tx| tx.scan(Range::Prefix("b"), 2, None))
        .unwrap();
    assert_eq!(first.next.as_deref(), Some("ba"));
    let second = world
        .call(|tx| tx.scan(Range::Prefix("b"), 2, first.next.as_deref()))
        .unwrap();
    assert_eq!((second.entries.len(), second.next), (1, None));
    assert!(
        world
            .call(|tx| tx.scan(Range::Prefix("b"), 0, None))
            .is_err()
    );
    assert!(
        world
            .call(|tx| tx.scan(Range::Prefix("b"), 1001, None))
            .is_err()
    );
}

#[test]
fn of_two_calls_that_read_and_write_one_key_one_commits() {
    let mut world = TestWorld::new();
    let count = |tx: &mut TestTransaction<'_>| {
        let value = tx.get("count")?.unwrap_or_default();
        tx.put("count", &[value.as_slice(), b"+"].concat())
    };
    let first = world.simulate(count).unwrap();
    let second = world.simulate(count).unwrap();
    assert_eq!(world.commit(first), Ok(()));
    assert_eq!(world.commit(second), Err(ReadConflict));
    assert_eq!(world.state()["count"], b"+");
}

#[test]
fn a_key_that_appears_in_a_scanned_range_is_a_conflict() {
    let mut world = TestWorld::new();
    let scan = |tx: &mut TestTransaction<'_>| tx.scan(Range::Prefix("a"), 1000, None);
    let before = world.simulate(scan).unwrap();
    let elsewhere = world.simulate(scan).unwrap();
    world.call(|tx| tx.put("b", b"")).unwrap();
    assert!(world.commit(elsewhere).is_ok());
    world.call(|tx| tx.put("a1", b"")).unwrap();
    assert_eq!(world.commit(before), Err(ReadConflict));
}

#[test]
fn bounds_are_checked() {
    let mut world = TestWorld::new();
    assert!(world.call(|tx| tx.put("", b"")).is_err());
    assert!(world.call(|tx| tx.get(&"k".repeat(1025))).is_err());
    assert!(
        world
            .call(|tx| tx.put("k", &vec![0; 1024 * 1024 + 1]))
            .is_err()
    );
    assert!(world.call(|tx| tx.put("k", &vec![0; 1024 * 1024])).is_ok());
    assert!(world.call(|tx| tx.emit("", b"")).is_err());
    assert!(
        world
            .call(|tx| (0..65).try_for_each(|_| tx.emit("E", b"")))
            .is_err()
    );
}

#[test]
fn every_call_has_another_transaction_id() {
    let mut world = TestWorld::new();
    let id = |world: &mut TestWorld| {
        world
            .call(|tx| Ok::<_, Error>(tx.transaction_id()))
            .unwrap()
    };
    let (first, second) = (id(&mut world), id(&mut world));
    assert_ne!(first, second);
    assert_eq!(first.len(), 64);
    assert!(
        first
            .bytes()
            .all(|digit| digit.is_ascii_hexdigit() && !digit.is_ascii_uppercase())
    );
}
