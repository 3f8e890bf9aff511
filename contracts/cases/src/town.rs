//! Contracts on channels of their own, natively: a world for each contract, which share a channel's
//! blocks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use cordon_sdk::testing::{
    Function, Imports, Simulated, TestTransaction, TestWorld, caller, run_as_host,
};
use cordon_sdk::{Answer, Block, Error, Query, Result};
use serde_json::Value;

use crate::files::{Setup, Step};

/// All contracts. Clones are the same town.
#[derive(Clone)]
pub(crate) struct Town(Rc<Contracts>);

struct Contracts {
    setup: Setup,
    functions: BTreeMap<String, Vec<Function>>,
    worlds: RefCell<BTreeMap<String, TestWorld>>,
}

/// A call that was accepted: its answer, and what it did.
pub(crate) type Accepted = Simulated<String>;

impl Town {
    pub(crate) fn new(setup: Setup) -> Self {
        let exported = |name: &str| match name {
            "cards" => cards::exported(),
            "emr" => emr::exported(),
            "reports" => reports::exported(),
            "sharing" => sharing::exported(),
            name => panic!("contract {name} has no line here"),
        };
        let functions = setup.contracts.keys();
        let worlds = setup.contracts.iter().map(|(name, channel)| {
            let mut world = TestWorld::new();
            world.set_channel(channel);
            // Block 0 of every channel is its configuration.
            pass(&mut world);
            (name.clone(), world)
        });
        Self(Rc::new(Contracts {
            functions: functions
                .map(|name| (name.clone(), exported(name)))
                .collect(),
            worlds: RefCell::new(worlds.collect()),
            setup,
        }))
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.0.setup
    }

    /// Executes a call on what is committed.
    pub(crate) fn call(&self, step: &Step, number: usize) -> Result<Accepted> {
        let contract = self.contract(step);
        let transaction = self.begin(step, number, contract, None);
        self.run(
            step,
            number,
            (contract, &step.function),
            (transaction, &step.arguments),
        )
    }

    /// Commits a call as a block of its channel.
    pub(crate) fn commit(&self, step: &Step, accepted: Accepted) {
        let contract = self.contract(step);
        let contracts = &self.setup().contracts;
        let mut worlds = self.0.worlds.borrow_mut();
        worlds.get_mut(contract).unwrap().commit(accepted).unwrap();
        for (other, world) in worlds.iter_mut() {
            if other != contract && contracts[other] == contracts[contract] {
                pass(world);
            }
        }
    }

    pub(crate) fn contract<'a>(&'a self, step: &'a Step) -> &'a str {
        step.contract.as_ref().unwrap_or(&self.setup().contract)
    }

    fn begin(
        &self,
        step: &Step,
        number: usize,
        contract: &str,
        calling: Option<&str>,
    ) -> TestTransaction<'static> {
        let person = &self.setup().callers[&step.by];
        let enrollment_id = person.enrollment_id.as_ref().unwrap_or(&step.by);
        let attributes = person.attributes.iter();
        let attributes: Vec<_> = attributes
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let mut world = self.0.worlds.borrow()[contract].clone();
        world.act_as(caller(&person.msp_id, enrollment_id, &attributes));
        world.set_time(step.time(number));
        world.set_calling_contract(calling);
        for (name, value) in &step.transient {
            world.set_transient(name, value.as_bytes());
        }
        let (town, asking) = (self.clone(), step.clone());
        world.answer_queries(move |_, query| town.answer(&asking, number, query));
        world.begin(number as u64)
    }

    fn run(
        &self,
        step: &Step,
        number: usize,
        (contract, name): (&str, &str),
        (transaction, arguments): (TestTransaction<'static>, &[Value]),
    ) -> Result<Accepted> {
        let function = self.0.functions[contract]
            .iter()
            .find(|known| known.name() == name);
        let function = function.unwrap_or_else(|| {
            panic!("{name} has no line in exported! of contracts/{contract}/src/lib.rs")
        });
        let (town, step, calling) = (self.clone(), step.clone(), contract.to_owned());
        let imports: Imports = Rc::new(move |name: &str, arguments: &[Value]| {
            town.call_other(&step, number, &calling, (name, arguments))
        });
        let (transaction, answer) = run_as_host(transaction, imports, || function.call(arguments));
        Ok(transaction.finish(answer?))
    }

    /// A contract calls another one on its channel.
    fn call_other(
        &self,
        step: &Step,
        number: usize,
        calling: &str,
        (name, arguments): (&str, &[Value]),
    ) -> Result<String> {
        let contracts = &self.setup().contracts;
        let mut exporters = contracts.iter().filter(|(contract, channel)| {
            let functions = &self.0.functions[*contract];
            **channel == contracts[calling] && functions.iter().any(|known| known.name() == name)
        });
        let (contract, _) = exporters
            .next()
            .expect("the channel has what a contract imports");
        let transaction = self.begin(step, number, contract, Some(calling));
        let called = self.run(step, number, (contract, name), (transaction, arguments))?;
        assert!(
            called.writes().is_empty(),
            "natively, a contract that another one calls can only read"
        );
        Ok(called.answer().clone())
    }

    /// A contract asks one on another channel, where everybody is a member and may ask everything.
    fn answer(&self, step: &Step, number: usize, query: &Query<'_>) -> Result<Answer> {
        let Query {
            channel, contract, ..
        } = *query;
        if self
            .setup()
            .contracts
            .get(contract)
            .is_none_or(|found| found != channel)
        {
            return Err(Error::NotFound(format!(
                "there is no contract {contract} on a channel {channel} here"
            )));
        }
        let transaction = self.begin(step, number, contract, None);
        let texts = query.arguments.iter().copied();
        let arguments: Vec<Value> = texts.map(Value::from).collect();
        let mut origin = None;
        let (transaction, arguments) = (transaction, &arguments[..]);
        let asked = self.run(
            step,
            number,
            (contract, query.function),
            (transaction, arguments),
        )?;
        if let Some(number) = asked.newest_block_read() {
            let hash = [number.to_le_bytes()[0]; 32];
            origin = Some(Block { number, hash });
        }
        assert!(
            asked.writes().is_empty(),
            "across channels contracts only ask"
        );
        Ok(Answer {
            payload: asked.answer().clone().into_bytes(),
            origin,
        })
    }
}

/// Commits a block that does nothing.
fn pass(world: &mut TestWorld) {
    let nothing = world.clone().begin(0).finish(());
    world.commit(nothing).unwrap();
}
