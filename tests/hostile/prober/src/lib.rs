//! Tries what a contract must not be able to do to another channel. What each function does is said
//! in `wit/prober.wit`.

cordon_sdk::bindings!("cordon:prober/prober", ["../../../wit", "wit"]);

use cordon_sdk::wit::types::Error;
use cordon_sdk::wit::{context, events, ledger_query, state};

use generated::exports::cordon::prober::probe::Guest;

/// The component.
struct Component;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Guest for Component {
    fn query(
        channel: String,
        contract: String,
        function: String,
        arguments: Vec<String>,
    ) -> Result<String, Error> {
        let arguments: Vec<Vec<u8>> = arguments.into_iter().map(String::into_bytes).collect();
        let answer = ledger_query::query(&channel, &contract, &function, &arguments)?;
        Ok(text(&answer.payload))
    }

    fn query_and_write(
        key: String,
        channel: String,
        contract: String,
        function: String,
        arguments: Vec<String>,
    ) -> Result<String, Error> {
        let found = match Self::query(channel, contract, function, arguments) {
            Ok(answer) => format!("answered: {answer}"),
            Err(
                Error::Invalid(text)
                | Error::Forbidden(text)
                | Error::NotFound(text)
                | Error::Conflict(text),
            ) => format!("refused: {text}"),
        };
        state::put(&key, found.as_bytes())?;
        Ok(found)
    }

    fn write(key: String, value: String) -> Result<String, Error> {
        state::put(&key, value.as_bytes())?;
        Ok("written".to_owned())
    }

    fn write_then_fail(key: String, value: String) -> Result<String, Error> {
        state::put(&key, value.as_bytes())?;
        Err(Error::Conflict("written, and refused".to_owned()))
    }

    fn emit(name: String, payload: String) -> Result<String, Error> {
        events::emit(&name, payload.as_bytes())?;
        Ok("emitted".to_owned())
    }

    fn read(key: String) -> Result<String, Error> {
        Ok(state::get(&key)?.map_or_else(|| "absent".to_owned(), |value| text(&value)))
    }

    fn transient(name: String) -> Result<String, Error> {
        Ok(context::transient(&name).map_or_else(|| "absent".to_owned(), |value| text(&value)))
    }

    #[allow(clippy::panic, reason = "what is tried here")]
    fn panic(value: String) -> Result<String, Error> {
        panic!("the prober was told {value}");
    }

    fn bounce(here: String, there: String, times: u32) -> Result<u32, Error> {
        let Some(left) = times.checked_sub(1) else {
            return Ok(1);
        };
        let arguments = [
            there.clone().into_bytes(),
            here.into_bytes(),
            left.to_string().into_bytes(),
        ];
        let answer = ledger_query::query(&there, "prober", "Probe:Bounce", &arguments)?;
        let behind: u32 = text(&answer.payload)
            .parse()
            .map_err(|_| Error::Invalid("the other prober answered no number".to_owned()))?;
        Ok(behind + 1)
    }
}
