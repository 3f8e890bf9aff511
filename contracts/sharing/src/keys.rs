//! Where sharings and their copies are kept. Keys are built here and nowhere else.
//!
//! Every key begins with the three parties, the owner first: what is between other parties cannot be
//! named, and an owner's or a patient's sharings lie together.

use cordon_sdk::Collection;

use crate::machine::Sharing;
use crate::snapshot::{EmrRecord, Note};

/// Sharings, by [`sharing`]. Never deleted: an ended one remembers the last version number.
pub const SHARINGS: Collection<Sharing> = Collection::new("sharing");

/// Copied records without their notes, by [`snapshot`].
pub const SNAPSHOTS: Collection<EmrRecord> = Collection::new("snapshot");

/// Copied notes, by [`snapshot_note`].
pub const SNAPSHOT_NOTES: Collection<Note> = Collection::new("snapshot-note");

/// The three that a sharing is between.
#[derive(Clone, Copy)]
pub struct Parties<'a> {
    /// The organisation that keeps the record.
    pub owner: &'a str,
    /// The patient's id there.
    pub patient: &'a str,
    /// The organisation that reads, or might.
    pub receiver: &'a str,
}

/// A sharing.
pub fn sharing<'a>(parties: &Parties<'a>) -> [&'a str; 3] {
    [parties.owner, parties.patient, parties.receiver]
}

/// Begins the keys of all sharings of an owner's records.
pub fn owner(owner: &str) -> [&str; 1] {
    [owner]
}

/// Begins the keys of all sharings of a patient's record.
pub fn patient<'a>(owner: &'a str, patient: &'a str) -> [&'a str; 2] {
    [owner, patient]
}

/// A copied record. The same parts begin the keys of its notes.
pub fn snapshot(parties: &Parties<'_>, version: u32) -> [String; 4] {
    let [owner, patient, receiver] = sharing(parties).map(str::to_owned);
    [owner, patient, receiver, version.to_string()]
}

/// A copied note, by its place among the notes of that copy, counted from 0. In the order of these keys
/// the notes are in the order in which they were copied.
pub fn snapshot_note(parties: &Parties<'_>, version: u32, place: u32) -> [String; 5] {
    let [owner, patient, receiver, version] = snapshot(parties, version);
    [owner, patient, receiver, version, format!("{place:010}")]
}
