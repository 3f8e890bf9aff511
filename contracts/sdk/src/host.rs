//! The world that a host gives to the component: the only place where bindings meet this crate's types.

use crate::caller::Caller;
use crate::error::Result;
use crate::timestamp::Timestamp;
use crate::wit::{context, events, ledger_query, state};
use crate::world::{
    Answer, Block, Change, Entry, HistoryPage, Page, Position, Query, Range, World,
};

/// The host that runs this component. Works inside a component only; its functions panic elsewhere,
/// where `testing::TestWorld` takes its place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host;

impl World for Host {
    fn channel(&self) -> String {
        context::channel()
    }

    fn transaction_id(&self) -> String {
        context::transaction_id()
    }

    fn timestamp(&self) -> Timestamp {
        let time = context::timestamp();
        Timestamp {
            seconds: time.seconds,
            nanoseconds: time.nanoseconds,
        }
    }

    fn caller(&self) -> Caller {
        let caller = context::caller();
        Caller {
            msp_id: caller.msp_id,
            subject: caller.subject,
            unique_id: caller.unique_id,
            enrollment_id: caller.enrollment_id,
            attributes: caller.attributes,
        }
    }

    fn transient(&self, name: &str) -> Option<Vec<u8>> {
        context::transient(name)
    }

    fn calling_contract(&self) -> Option<String> {
        context::calling_contract()
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(state::get(key)?)
    }

    fn put(&mut self, key: &str, value: &[u8]) -> Result<()> {
        Ok(state::put(key, value)?)
    }

    fn delete(&mut self, key: &str) -> Result<()> {
        Ok(state::delete(key)?)
    }

    fn scan(&self, range: Range<'_>, limit: u32, after: Option<&str>) -> Result<Page> {
        let range = match range {
            Range::Prefix(prefix) => state::KeyRange::Prefix(prefix.to_owned()),
            Range::Between(from, to) => state::KeyRange::Between((from.to_owned(), to.to_owned())),
        };
        let page = state::scan(&range, limit, after)?;
        let entry = |entry: state::Entry| Entry {
            key: entry.key,
            value: entry.value,
        };
        Ok(Page {
            entries: page.entries.into_iter().map(entry).collect(),
            next: page.next,
        })
    }

    fn history(&self, key: &str, limit: u32, before: Option<Position>) -> Result<HistoryPage> {
        let before = before.map(|place| state::Position {
            block: place.block,
            index: place.index,
        });
        let page = state::history(key, limit, before)?;
        let changes = page.changes.into_iter().map(|change| Change {
            position: position(change.position),
            transaction_id: change.transaction_id,
            timestamp_seconds: change.timestamp_seconds,
            value: change.value,
        });
        Ok(HistoryPage {
            changes: changes.collect(),
            next: page.next.map(position),
        })
    }

    fn emit(&mut self, name: &str, payload: &[u8]) -> Result<()> {
        Ok(events::emit(name, payload)?)
    }

    fn query(&self, query: &Query<'_>) -> Result<Answer> {
        let arguments: Vec<Vec<u8>> = query
            .arguments
            .iter()
            .map(|argument| argument.as_bytes().to_vec())
            .collect();
        let answer =
            ledger_query::query(query.channel, query.contract, query.function, &arguments)?;
        let origin = answer.origin.map(|block| Block {
            number: block.number,
            hash: block.hash.try_into().expect("hosts hash with SHA-256"),
        });
        Ok(Answer {
            payload: answer.payload,
            origin,
        })
    }
}

fn position(place: state::Position) -> Position {
    Position {
        block: place.block,
        index: place.index,
    }
}
