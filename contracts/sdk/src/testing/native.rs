//! A component's own functions, natively: [`Host`] takes the place of the host, and functions are found
//! by name and called with JSON, as clients do it.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::TestTransaction;
use super::json::{from_json, pascal_case, to_json};
use crate::caller::Caller;
use crate::error::{Error, Result as SdkResult};
use crate::timestamp::Timestamp;
use crate::wit::types;
use crate::world::{Answer, HistoryPage, Page, Position, Query, Range, World};

/// Calls a function of another contract on the channel: its name as clients say it, and arguments.
pub type Imports = Rc<dyn Fn(&str, &[Value]) -> SdkResult<String>>;

/// A call that is running.
struct Running {
    transaction: TestTransaction<'static>,
    imports: Imports,
}

thread_local! {
    /// The calls that are running, the innermost last.
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
}

/// Runs `function`, whose world is `transaction` wherever it says [`Host`].
pub fn run_as_host<T>(
    transaction: TestTransaction<'static>,
    imports: Imports,
    function: impl FnOnce() -> T,
) -> (TestTransaction<'static>, T) {
    let running = Running {
        transaction,
        imports,
    };
    RUNNING.with_borrow_mut(|stack| stack.push(running));
    let answer = function();
    (pop().transaction, answer)
}

fn pop() -> Running {
    RUNNING
        .with_borrow_mut(Vec::pop)
        .expect("a host is there while run_as_host runs")
}

/// Calls a function of another contract, as the running call's [`Imports`] say.
///
/// # Errors
/// What it refused with.
pub fn import<T: DeserializeOwned>(function: &str, arguments: &[Value]) -> Result<T, types::Error> {
    let running = pop();
    let answer = (running.imports)(function, arguments);
    RUNNING.with_borrow_mut(|stack| stack.push(running));
    let value = serde_json::from_str(&answer?).expect("an answer is JSON");
    Ok(from_json(value).expect("an answer is of the type that is imported"))
}

/// In the place of the host that runs a component: the world of the call that [`run_as_host`] runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host;

fn on<T>(part: impl FnOnce(&mut TestTransaction<'static>) -> T) -> T {
    RUNNING.with_borrow_mut(|stack| {
        let running = stack.last_mut();
        part(
            &mut running
                .expect("Host is used inside run_as_host")
                .transaction,
        )
    })
}

impl World for Host {
    fn channel(&self) -> String {
        on(|world| world.channel())
    }

    fn transaction_id(&self) -> String {
        on(|world| world.transaction_id())
    }

    fn timestamp(&self) -> Timestamp {
        on(|world| world.timestamp())
    }

    fn caller(&self) -> Caller {
        on(|world| world.caller())
    }

    fn transient(&self, name: &str) -> Option<Vec<u8>> {
        on(|world| world.transient(name))
    }

    fn calling_contract(&self) -> Option<String> {
        on(|world| world.calling_contract())
    }

    fn get(&self, key: &str) -> SdkResult<Option<Vec<u8>>> {
        on(|world| world.get(key))
    }

    fn put(&mut self, key: &str, value: &[u8]) -> SdkResult<()> {
        on(|world| world.put(key, value))
    }

    fn delete(&mut self, key: &str) -> SdkResult<()> {
        on(|world| world.delete(key))
    }

    fn scan(&self, range: Range<'_>, limit: u32, after: Option<&str>) -> SdkResult<Page> {
        on(|world| world.scan(range, limit, after))
    }

    fn history(&self, key: &str, limit: u32, before: Option<Position>) -> SdkResult<HistoryPage> {
        on(|world| world.history(key, limit, before))
    }

    fn emit(&mut self, name: &str, payload: &[u8]) -> SdkResult<()> {
        on(|world| world.emit(name, payload))
    }

    fn query(&self, query: &Query<'_>) -> SdkResult<Answer> {
        // What is asked may run a contract, with a host of its own.
        let running = pop();
        let answer = running.transaction.query(query);
        RUNNING.with_borrow_mut(|stack| stack.push(running));
        answer
    }
}

type Run = dyn Fn(&[Value]) -> SdkResult<String>;

/// A function that a component exports.
pub struct Function {
    name: String,
    run: Box<Run>,
}

impl Function {
    /// A function of a `Guest` by its Rust names; [`exported!`](crate::exported) says them.
    pub fn new<A>(interface: &str, name: &str, function: impl Exported<A> + 'static) -> Self {
        Self {
            name: format!("{}:{}", pascal_case(interface), pascal_case(name)),
            run: Box::new(move |arguments| function.call(arguments)),
        }
    }

    /// Its name as clients say it: `HealthCenter:CreateEmr`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls it on the world of [`run_as_host`]. Arguments at the end that are left out are `null`. The
    /// answer is what a client gets.
    ///
    /// # Errors
    /// What it refused with; `Invalid` for arguments of other types, not in a host's words.
    pub fn call(&self, arguments: &[Value]) -> SdkResult<String> {
        (self.run)(arguments)
    }
}

/// A Rust function that takes and gives types of the bindings; `A` are its arguments.
pub trait Exported<A> {
    /// Calls it with JSON.
    ///
    /// # Errors
    /// As [`Function::call`].
    fn call(&self, arguments: &[Value]) -> SdkResult<String>;
}

macro_rules! exported {
    ($($index:tt $argument:ident),*) => {
        impl<F, R, $($argument),*> Exported<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Result<R, types::Error>,
            R: Serialize + 'static,
            $($argument: DeserializeOwned,)*
        {
            fn call(&self, arguments: &[Value]) -> SdkResult<String> {
                let taken: &[usize] = &[$($index),*];
                let taken = taken.len();
                if arguments.len() > taken {
                    return Err(Error::Invalid(format!("{taken} arguments are taken")));
                }
                let answer = self($(argument::<$argument>(arguments, $index)?),*)?;
                let text = raw_text(&answer).map(str::to_owned);
                Ok(text.unwrap_or_else(|| to_json(&answer)))
            }
        }
    };
}

exported!();
exported!(0 A);
exported!(0 A, 1 B);
exported!(0 A, 1 B, 2 C);
exported!(0 A, 1 B, 2 C, 3 D);

/// A text is answered as it is.
fn raw_text(answer: &dyn Any) -> Option<&str> {
    answer.downcast_ref::<String>().map(String::as_str)
}

fn argument<T: DeserializeOwned>(arguments: &[Value], index: usize) -> SdkResult<T> {
    let value = arguments.get(index).cloned().unwrap_or_default();
    from_json(value).map_err(|text| Error::Invalid(format!("argument {index}: {text}")))
}
