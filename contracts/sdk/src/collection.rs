//! Typed records, one per key.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::world::{Position, Range, SCAN_LIMIT_MAX, World};

/// All records of one kind: values of type `T`, each under the composite key of the kind and some
/// parts.
///
/// Keep one record per key. A list under one key makes any two transactions that add to it conflict,
/// and is rewritten whole for each.
///
/// ```
/// use cordon_sdk::{Collection, Result, World};
///
/// const VISITS: Collection<u32> = Collection::new("visit");
///
/// fn count(world: &mut impl World, patient_id: &str) -> Result<u32> {
///     let visits = VISITS.get(world, &[patient_id])?.unwrap_or(0) + 1;
///     VISITS.put(world, &[patient_id], &visits)?;
///     Ok(visits)
/// }
/// ```
pub struct Collection<T> {
    kind: &'static str,
    record: PhantomData<fn() -> T>,
}

/// A record and its key. Has no `Debug`, like [`Past`]: both hold what people's records hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Record<T> {
    /// The parts of its key, the leading ones included.
    pub parts: Vec<String>,
    /// The record.
    pub value: T,
}

/// One committed change of a record.
#[derive(Clone, PartialEq, Eq)]
pub struct Past<T> {
    /// Where it was committed.
    pub position: Position,
    /// The transaction that made it, 64 hex digits.
    pub transaction_id: String,
    /// The time its client stated, seconds since 1970.
    pub timestamp_seconds: i64,
    /// The record as written; `None` when it was deleted.
    pub value: Option<T>,
}

impl<T: Serialize + DeserializeOwned> Collection<T> {
    /// The records of this kind. The kind is the first part of every key, so two collections of one
    /// contract must not have the same.
    pub const fn new(kind: &'static str) -> Self {
        Self {
            kind,
            record: PhantomData,
        }
    }

    /// The record with this key; `None` when there is none.
    ///
    /// # Errors
    /// `Invalid` when the parts do not make a [`Key`].
    pub fn get<P: AsRef<str>>(&self, world: &impl World, parts: &[P]) -> Result<Option<T>> {
        let key = Key::new(self.kind, parts)?;
        Ok(world.get(key.as_str())?.map(|bytes| codec::decode(&bytes)))
    }

    /// Whether there is a record with this key. Recorded as a read of it, like [`Collection::get`].
    ///
    /// # Errors
    /// `Invalid` when the parts do not make a [`Key`].
    pub fn contains<P: AsRef<str>>(&self, world: &impl World, parts: &[P]) -> Result<bool> {
        let key = Key::new(self.kind, parts)?;
        Ok(world.get(key.as_str())?.is_some())
    }

    /// Writes the record, whether or not there was one with this key. Reads nothing, so it conflicts
    /// with no other writer.
    ///
    /// # Errors
    /// `Invalid` when the parts do not make a [`Key`], or the record has more than 1 MiB.
    pub fn put<P: AsRef<str>>(&self, world: &mut impl World, parts: &[P], value: &T) -> Result<()> {
        let key = Key::new(self.kind, parts)?;
        world.put(key.as_str(), &codec::encode(value))
    }

    /// Writes a record that must be new.
    ///
    /// # Errors
    /// [`Error::Conflict`] with the sentence `taken` when there is one with this key, and nothing is
    /// written; `Invalid` as for [`Collection::put`].
    pub fn insert<P: AsRef<str>>(
        &self,
        world: &mut impl World,
        parts: &[P],
        value: &T,
        taken: impl FnOnce() -> String,
    ) -> Result<()> {
        if self.contains(world, parts)? {
            return Err(Error::Conflict(taken()));
        }
        self.put(world, parts, value)
    }

    /// Deletes the record; to delete an absent one is no error. Its history stays.
    ///
    /// # Errors
    /// `Invalid` when the parts do not make a [`Key`].
    pub fn delete<P: AsRef<str>>(&self, world: &mut impl World, parts: &[P]) -> Result<()> {
        let key = Key::new(self.kind, parts)?;
        world.delete(key.as_str())
    }

    /// All records whose keys begin with these parts, in ascending order of key bytes; with no parts,
    /// all records of the kind. Reads page by page to the end, however many there are. For keys that
    /// all have the same number of parts this is the order of the parts themselves.
    ///
    /// A record of the range that another transaction adds or removes before this one commits makes
    /// this one invalid, if it writes.
    ///
    /// # Errors
    /// `Invalid` when the parts do not make a [`Key`].
    pub fn scan<P: AsRef<str>>(&self, world: &impl World, leading: &[P]) -> Result<Vec<Record<T>>> {
        let mut records = Vec::new();
        self.visit(world, leading, |key, bytes| {
            let (_, parts) = Key::split(key).expect("a key below a composite prefix is composite");
            let parts = parts.into_iter().map(str::to_owned).collect();
            records.push(Record {
                parts,
                value: codec::decode(bytes),
            });
        })?;
        Ok(records)
    }

    /// The values of [`Collection::scan`] without their keys.
    ///
    /// # Errors
    /// As for [`Collection::scan`].
    pub fn values<P: AsRef<str>>(&self, world: &impl World, leading: &[P]) -> Result<Vec<T>> {
        let mut values = Vec::new();
        self.visit(world, leading, |_, bytes| values.push(codec::decode(bytes)))?;
        Ok(values)
    }

    /// How many records [`Collection::scan`] would give, without decoding them.
    ///
    /// # Errors
    /// As for [`Collection::scan`].
    pub fn count<P: AsRef<str>>(&self, world: &impl World, leading: &[P]) -> Result<u32> {
        let mut count: u32 = 0;
        self.visit(world, leading, |_, _| count = count.saturating_add(1))?;
        Ok(count)
    }

    /// All committed changes of the record, newest first; empty when there was never one. This call's
    /// own writes are not in it.
    ///
    /// # Errors
    /// `Invalid` when the parts do not make a [`Key`].
    pub fn history<P: AsRef<str>>(&self, world: &impl World, parts: &[P]) -> Result<Vec<Past<T>>> {
        let key = Key::new(self.kind, parts)?;
        let mut changes = Vec::new();
        let mut before = None;
        loop {
            let page = world.history(key.as_str(), SCAN_LIMIT_MAX, before)?;
            changes.extend(page.changes.into_iter().map(|change| Past {
                position: change.position,
                transaction_id: change.transaction_id,
                timestamp_seconds: change.timestamp_seconds,
                value: change.value.map(|bytes| codec::decode(&bytes)),
            }));
            before = page.next;
            if before.is_none() {
                return Ok(changes);
            }
        }
    }

    /// Calls `see` with key and bytes of every record below the leading parts.
    fn visit<P: AsRef<str>>(
        &self,
        world: &impl World,
        leading: &[P],
        mut see: impl FnMut(&str, &[u8]),
    ) -> Result<()> {
        let prefix = Key::new(self.kind, leading)?;
        let mut after: Option<String> = None;
        loop {
            let page = world.scan(
                Range::Prefix(prefix.as_str()),
                SCAN_LIMIT_MAX,
                after.as_deref(),
            )?;
            for entry in &page.entries {
                see(&entry.key, &entry.value);
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestWorld;
    use proptest::prelude::*;

    const NAMES: Collection<String> = Collection::new("name");

    #[test]
    fn an_insert_refuses_a_key_that_is_taken() {
        let mut world = TestWorld::new();
        let insert = |world: &mut TestWorld, name: &str| {
            let name = name.to_owned();
            world.call(|tx| NAMES.insert(tx, &["1"], &name, || "There is a 1.".to_owned()))
        };
        assert_eq!(insert(&mut world, "a"), Ok(()));
        assert_eq!(
            insert(&mut world, "b"),
            Err(Error::Conflict("There is a 1.".to_owned()))
        );
        assert_eq!(
            world.call(|tx| NAMES.get(tx, &["1"])),
            Ok(Some("a".to_owned()))
        );
    }

    #[test]
    fn a_scan_reads_every_page() {
        let mut world = TestWorld::new();
        let count = 2 * SCAN_LIMIT_MAX + 1;
        world
            .call(|tx| {
                (0..count).try_for_each(|number| {
                    NAMES.put(tx, &["x", &format!("{number:05}")], &number.to_string())
                })
            })
            .unwrap();
        let found = world.call(|tx| NAMES.scan(tx, &["x"])).unwrap();
        let numbers: Vec<u32> = found
            .iter()
            .map(|record| record.value.parse().unwrap())
            .collect();
        assert_eq!(numbers, (0..count).collect::<Vec<_>>());
        assert_eq!(found[7].parts, ["x", "00007"]);
        assert_eq!(world.call(|tx| NAMES.count(tx, &["x"])), Ok(count));
        assert_eq!(world.call(|tx| NAMES.count(tx, &["y"])), Ok(0));
    }

    #[test]
    fn a_history_tells_every_change_newest_first() {
        let mut world = TestWorld::new();
        for name in ["a", "b"] {
            world
                .call(|tx| NAMES.put(tx, &["1"], &name.to_owned()))
                .unwrap();
        }
        world.call(|tx| NAMES.delete(tx, &["1"])).unwrap();
        let history = world.call(|tx| NAMES.history(tx, &["1"])).unwrap();
        let values: Vec<_> = history.iter().map(|past| past.value.as_deref()).collect();
        assert_eq!(values, [None, Some("b"), Some("a")]);
        assert!(history[0].position > history[1].position);
    }

    fn parts() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[ab\u{1}]{0,2}", 0..4)
    }

    proptest! {
        /// Goal: a scan finds exactly the records with the leading parts. Method: compare with a
        /// filter over everything that was written.
        #[test]
        fn a_scan_finds_exactly_the_records_with_the_leading_parts(
            written in proptest::collection::btree_set(parts(), 0..20), leading in parts(),
        ) {
            let mut world = TestWorld::new();
            world.call(|tx| written.iter().try_for_each(|key| {
                Collection::<u8>::new("other").put(tx, key, &0)?;
                NAMES.put(tx, key, &key.concat())
            })).unwrap();
            let found = world.call(|tx| NAMES.scan(tx, &leading)).unwrap();
            let mut found: Vec<_> = found.into_iter().map(|record| record.parts).collect();
            found.sort();
            let expected: Vec<_> =
                written.into_iter().filter(|key| key.starts_with(&leading)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
