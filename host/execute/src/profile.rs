//! The execution profile: the engine and every limit that a contract runs under, with unit and reason.
//! It is part of a channel's configuration: a call that fits on one host must fit on every other, and
//! give the same bytes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A profile as a channel's configuration holds it: settings by name. Hosts compare it with their own,
/// also where they do not know a setting.
pub type Settings = BTreeMap<String, Value>;

/// The engine and the limits of one call and of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What runs contracts, by name and exact version: another version may count fuel differently.
    pub engine: String,
    /// What makes machine code, or other code, of them.
    pub compiler: Compiler,
    /// Whether a NaN that arithmetic makes has one bit pattern; without, it depends on the machine.
    pub nan_canonical: bool,
    /// Whether instructions and calls into the host are counted. Without, nothing ends a loop: only
    /// what measures the cost of counting runs so.
    pub fuel_metered: bool,
    /// Whether an instance's memory and tables, and what the engine allocates on the host for it, are
    /// bounded by the limits below. Off for measuring only, as above.
    pub memory_bounded: bool,
    /// What WebAssembly may use beyond its first version. Everything else is refused at install: fewer
    /// ways to differ, less compiler to trust.
    pub features: Vec<String>,
    /// Number of the table by which calls into the host are charged; rises with every change of it.
    pub fuel_table: u32,
    /// Fuel of one call: about one per instruction. 500 million is well below a second of one core,
    /// and ten thousand times what an ordinary call uses.
    pub fuel_max: u64,
    /// Linear memory of one instance, bytes. Ordinary calls touch 100 KB.
    pub memory_bytes_max: usize,
    /// Elements of one table.
    pub table_elements_max: usize,
    /// Tables of one core module, and of a component in all.
    pub tables_max: u32,
    /// Core instances of one component; tools make three. The pool has so many for each call.
    pub core_instances_max: u32,
    /// WebAssembly stack, bytes.
    pub stack_bytes_max: usize,
    /// Size of a component, bytes; a contract of this repository has 50 KB.
    pub component_bytes_max: usize,
    /// Modules and components inside one another or beside; tools make four.
    pub parts_max: usize,
    /// Types, of all parts together. What a component is made of is limited because its compiler's time
    /// and memory are more than linear in some of it.
    pub types_max: usize,
    /// Functions, imported and own.
    pub functions_max: usize,
    /// Imports, exports, instances, aliases, globals, tables and memories.
    pub definitions_max: usize,
    /// Data and element segments.
    pub segments_max: usize,
    /// All custom sections, bytes: they hold documentation.
    pub custom_bytes_max: usize,
    /// Code of one function, bytes.
    pub function_bytes_max: usize,
    /// Parameters and results of one function.
    pub parameters_max: usize,
    /// Locals of one function, parameters not counted.
    pub locals_max: usize,
    /// Blocks in one another: a `match` of 300 cases may have 300.
    pub nesting_max: usize,
    /// Targets of one branch table.
    pub branch_targets_max: usize,
    /// All arguments and transient values of a call together, bytes. Arguments stand in the block.
    pub argument_bytes_max: usize,
    /// The answer, bytes: what Fabric's clients receive without further settings is 4 MiB, and the
    /// answer travels inside an envelope.
    pub result_bytes_max: usize,
    /// One value, bytes.
    pub value_bytes_max: usize,
    /// Everything one call may write, keys and values, bytes.
    pub write_bytes_max: usize,
    /// Keys that one call may read, see in scans or write, together.
    pub keys_max: usize,
    /// Entries of one page of a scan or a history.
    pub page_entries_max: u32,
    /// Everything that calls into the host may hand over in both directions, bytes.
    pub host_bytes_max: usize,
    /// Events of one transaction.
    pub events_max: usize,
    /// Name of an event, bytes.
    pub event_name_bytes_max: usize,
    /// Payload of an event, bytes.
    pub event_payload_bytes_max: usize,
    /// Fuel charged for a call into the host, whatever it does: the order of what it costs in time.
    pub host_call_fuel: u64,
    /// Fuel charged for calling or asking another contract: the order of what its instance costs in
    /// time.
    pub contract_call_fuel: u64,
    /// Contracts that can be in the middle of a call at once, the first one included, whether called
    /// or asked on another channel. Each has a stack of its own on the thread of the call.
    pub call_depth_max: u32,
    /// Fuel charged for each byte that such a call moves.
    pub host_byte_fuel: u64,
}

/// What compiles components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compiler {
    /// Optimised machine code: what hosts run.
    Cranelift,
    /// The same compiler without optimisation.
    CraneliftUnoptimised,
    /// Portable code that is interpreted. In builds with the feature `backends` only.
    Pulley,
    /// Machine code in one pass; counts fuel differently. In builds with the feature `backends` only.
    Winch,
}

/// The engines whose contracts give on this host what they give on theirs, fuel included. The first is
/// the one in the lock. Another one joins when the recorded cases (`contracts/*/cases`) are the same
/// on both: then the hosts of a channel can change over one by one (ADR 0016).
const ENGINES: [&str; 1] = ["wasmtime 48.0.8"];

impl Default for Profile {
    fn default() -> Self {
        let features = [
            "bulk-memory",
            "component-model",
            "multi-value",
            "mutable-global",
            "reference-types",
            "saturating-float-to-int",
            "sign-extension",
        ];
        Self {
            engine: ENGINES[0].to_owned(),
            compiler: Compiler::Cranelift,
            nan_canonical: true,
            fuel_metered: true,
            memory_bounded: true,
            features: features.map(str::to_owned).to_vec(),
            fuel_table: 1,
            fuel_max: 500_000_000,
            memory_bytes_max: 16 << 20,
            table_elements_max: 10_000,
            tables_max: 4,
            core_instances_max: 4,
            stack_bytes_max: 512 << 10,
            component_bytes_max: 4 << 20,
            parts_max: 64,
            types_max: 5_000,
            functions_max: 10_000,
            definitions_max: 10_000,
            segments_max: 1_000,
            custom_bytes_max: 1 << 20,
            function_bytes_max: 128 << 10,
            parameters_max: 100,
            locals_max: 2_000,
            nesting_max: 1_000,
            branch_targets_max: 2_000,
            argument_bytes_max: 512 << 10,
            result_bytes_max: 3 << 20,
            value_bytes_max: 1 << 20,
            write_bytes_max: 4 << 20,
            keys_max: 20_000,
            page_entries_max: 1_000,
            host_bytes_max: 64 << 20,
            events_max: 64,
            event_name_bytes_max: 128,
            event_payload_bytes_max: 64 << 10,
            host_call_fuel: 1_000,
            contract_call_fuel: 50_000,
            call_depth_max: 4,
            host_byte_fuel: 1,
        }
    }
}

/// Settings that belong to the engine of a process, to its pool and threads, to what it compiles and to
/// what fuel means: a channel cannot have its own. Of all others it can have less than its hosts.
const OF_THE_ENGINE: [&str; 28] = [
    "engine",
    "compiler",
    "nan_canonical",
    "fuel_metered",
    "memory_bounded",
    "features",
    "fuel_table",
    "memory_bytes_max",
    "table_elements_max",
    "tables_max",
    "core_instances_max",
    "stack_bytes_max",
    "call_depth_max",
    "component_bytes_max",
    "parts_max",
    "types_max",
    "functions_max",
    "definitions_max",
    "segments_max",
    "custom_bytes_max",
    "function_bytes_max",
    "parameters_max",
    "locals_max",
    "nesting_max",
    "branch_targets_max",
    "host_call_fuel",
    "contract_call_fuel",
    "host_byte_fuel",
];

/// A setting of a channel that this host cannot keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Its name.
    pub setting: String,
    /// The channel's value.
    pub channel: Option<Value>,
    /// This host's.
    pub host: Option<Value>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| match value {
            Some(value) => value.to_string(),
            None => "not known".to_owned(),
        };
        let Self {
            setting,
            channel,
            host,
        } = self;
        write!(
            f,
            "{setting} is {} on the channel and {} here",
            shown(channel),
            shown(host)
        )
    }
}

impl Profile {
    /// Whether contracts may use this part of WebAssembly.
    pub(crate) fn has_feature(&self, name: &str) -> bool {
        self.features.iter().any(|feature| feature == name)
    }

    /// The settings by name.
    pub fn settings(&self) -> Settings {
        // A struct of numbers and texts is an object.
        match serde_json::to_value(self) {
            Ok(Value::Object(settings)) => settings.into_iter().collect(),
            _ => Settings::new(),
        }
    }

    /// The profile of a channel on this host: its limits, none above this host's own, on this engine.
    ///
    /// # Errors
    /// Every setting that differs where it must not, in order of names: then this host must not say what
    /// contracts of that channel do.
    pub fn of_channel(&self, settings: &Settings) -> Result<Self, Vec<Mismatch>> {
        let host = self.settings();
        let mismatch = |setting: &String| Mismatch {
            setting: setting.clone(),
            channel: settings.get(setting).cloned(),
            host: host.get(setting).cloned(),
        };
        let names: std::collections::BTreeSet<&String> =
            settings.keys().chain(host.keys()).collect();
        let mismatches: Vec<Mismatch> = names
            .into_iter()
            .filter(|setting| {
                let (channel, here) = (settings.get(*setting), host.get(*setting));
                // A channel does not lift what protects its hosts, and the other channels on them.
                let within = |channel: &Value, here: &Value| {
                    let limits = channel.as_u64().zip(here.as_u64());
                    limits.is_some_and(|(channel, here)| channel <= here)
                };
                match (channel, here) {
                    (Some(Value::String(engine)), Some(_)) if *setting == "engine" => {
                        !ENGINES.contains(&engine.as_str())
                    }
                    (Some(channel), Some(here)) if OF_THE_ENGINE.contains(&setting.as_str()) => {
                        channel != here
                    }
                    (Some(channel), Some(here)) => !within(channel, here),
                    _ => true,
                }
            })
            .map(mismatch)
            .collect();
        if !mismatches.is_empty() {
            return Err(mismatches);
        }
        let object = settings.clone().into_iter().collect();
        serde_json::from_value(Value::Object(object)).map_err(|_| {
            // A number that does not fit its setting's type.
            let names = settings
                .keys()
                .filter(|name| settings[*name] != host[*name]);
            names.map(mismatch).collect()
        })
    }
}

/// SHA-256 of a profile, hex: two hosts or channels with the same one run contracts alike.
pub fn fingerprint(settings: &Settings) -> String {
    // Maps with text keys serialize, in the order of the keys.
    let bytes = serde_json::to_vec(settings).unwrap_or_default();
    hex::encode(Sha256::digest(bytes))
}

/// Calls by clients that can run at once in one process: whoever calls contracts lets no more in.
pub const CALLS_MAX: u32 = 64;

/// Stack that a thread needs that calls contracts with this profile: each contract in the middle of a
/// call has its own, and the host's code between them some too.
pub fn thread_stack_bytes(profile: &Profile) -> usize {
    (profile.stack_bytes_max + (512 << 10)) * profile.call_depth_max as usize + (1 << 20)
}

/// Bytes of a slot's memory that stay mapped between calls; more costs memory, less costs page
/// faults on every call (measured: 2 MiB with PAGEMAP_SCAN halves the time of a call).
pub(crate) const KEEP_RESIDENT_BYTES: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_the_one_in_the_lock() {
        let lock = include_str!("../../../Cargo.lock");
        let package = lock
            .split("[[package]]")
            .find(|package| package.contains("\nname = \"wasmtime\"\n"));
        let version = ENGINES[0].strip_prefix("wasmtime ").unwrap();
        let version = format!("\nversion = \"{version}\"\n");
        assert!(package.unwrap().contains(&version), "{package:?}");
    }

    #[test]
    fn a_channels_limits_are_its_own_and_its_engine_is_not() {
        let host = Profile::default();
        assert_eq!(host.of_channel(&host.settings()).unwrap(), host);
        let with = |name: &str, value: Value| {
            let mut settings = host.settings();
            settings.insert(name.to_owned(), value);
            host.of_channel(&settings)
        };
        assert_eq!(with("fuel_max", 7.into()).unwrap().fuel_max, 7);
        let text = |result: Result<Profile, Vec<Mismatch>>| {
            let mismatches = result.unwrap_err();
            let texts: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
            texts.join("; ")
        };
        assert_eq!(
            text(with("engine", "wasmtime 49.0.0".into())),
            "engine is \"wasmtime 49.0.0\" on the channel and \"wasmtime 48.0.8\" here"
        );
        for engine in ENGINES {
            assert_eq!(with("engine", engine.into()).unwrap().engine, engine);
        }
        assert!(text(with("compiler", "winch".into())).starts_with("compiler is \"winch\" on"));
        assert!(text(with("stack_bytes_max", 1.into())).starts_with("stack_bytes_max is 1 on"));
        assert!(text(with("fuel_max", "much".into())).starts_with("fuel_max is \"much\""));
        for lifted in ["fuel_max", "page_entries_max", "write_bytes_max"] {
            assert!(text(with(lifted, u64::MAX.into())).starts_with(lifted));
        }
        // What a component may be is checked before anybody knows on which channel it will be.
        assert!(text(with("functions_max", 1.into())).starts_with("functions_max is 1 on"));
        assert_eq!(
            text(with("moon", true.into())),
            "moon is true on the channel and not known here"
        );
        let mut without = host.settings();
        without.remove("fuel_max");
        assert!(text(host.of_channel(&without)).contains("fuel_max is not known on the channel"));
    }

    #[test]
    fn a_fingerprint_changes_with_every_setting() {
        let settings = Profile::default().settings();
        let mut seen = std::collections::BTreeSet::from([fingerprint(&settings)]);
        for name in settings.keys() {
            let mut changed = settings.clone();
            changed.insert(name.clone(), Value::Null);
            assert!(seen.insert(fingerprint(&changed)), "{name}");
        }
    }
}
