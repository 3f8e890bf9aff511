//! A contract: which functions it has, and how they are found by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cordon_types::ContractId;
use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use crate::error::InstallError;
use crate::host::CallState;
use crate::install::{self, Import};
use crate::metadata::metadata;
use crate::profile::Profile;
use crate::shape::{Shape, pascal_case};

/// A function that clients can call.
#[derive(Debug)]
pub struct Function {
    /// The name that clients use: `HealthCenter:CreateEmr`.
    pub name: String,
    /// The same in WIT: `health-center:create-emr`.
    pub wit_name: String,
    /// Parameters: WIT name and type, in order.
    pub parameters: Vec<(String, Shape)>,
    /// Type of the answer; `None` when it has none.
    pub answer: Option<Shape>,
    /// Whether it can refuse (`result<_, error>`).
    pub(crate) refuses: bool,
    /// The interface by its full name, as other contracts import it, and the name in it.
    pub(crate) export: (String, String),
    pub(crate) signature: Signature,
    pub(crate) index: ComponentExportIndex,
    /// By how much the engine counts too little of what values from the contract cost the host.
    pub(crate) lift_cost: usize,
}

/// The engine counts the bytes of a flag's name; on the host it is a text of its own in a list, 60
/// bytes and more. Of other values the host uses up to two and a half times what it counts.
const FLAGS_COST: usize = 16;

/// The types of a function, by which caller and callee fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    parameters: Vec<Shape>,
    result: Option<Shape>,
}

/// An interface that a contract imports and another one has to export.
pub(crate) struct CalledInterface {
    pub(crate) name: String,
    pub(crate) functions: Vec<(String, Signature)>,
}

/// A compiled component. It becomes a [`Contract`] among the others of a channel
/// ([`Runtime::link`](crate::Runtime::link)).
pub struct Compiled {
    hash: [u8; 32],
    pub(crate) component: Component,
    pub(crate) functions: Vec<Function>,
    /// What runs when the channel puts this component in the place of another one; no client's.
    upgrade: Option<Function>,
    pub(crate) calls: Vec<CalledInterface>,
    /// Whether it imports `ledger-query`.
    pub(crate) asks: bool,
    imports: Vec<String>,
    metadata: String,
    /// Every accepted name → index of the function; `None` when two interfaces share it.
    names: BTreeMap<String, Option<usize>>,
}

/// A contract on a channel, ready to be called any number of times at once.
pub struct Contract {
    id: ContractId,
    compiled: Arc<Compiled>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) instance: InstancePre<CallState>,
    callees: BTreeSet<ContractId>,
    /// Contracts in the longest chain of calls that begins here.
    depth: u32,
    asks: bool,
}

impl Compiled {
    pub(crate) fn new(
        engine: &Engine,
        profile: &Profile,
        component: Component,
        bytes: &[u8],
        hash: [u8; 32],
    ) -> Result<Self, InstallError> {
        let ty = component.component_type();
        let mut calls = Vec::new();
        let mut asks = false;
        let mut imports = Vec::new();
        for (name, item) in ty.imports(engine) {
            imports.push(name.to_owned());
            if let Import::Offered(interface) = install::import(name)? {
                asks |= interface == "ledger-query";
                continue;
            }
            let forbidden = || InstallError::ForbiddenImport {
                name: name.to_owned(),
            };
            // Another contract's package: its own interface is asked of the channel.
            let ComponentItem::ComponentInstance(instance) = item.ty else {
                return Err(forbidden());
            };
            let mut functions = Vec::new();
            for (function, item) in instance.exports(engine) {
                match item.ty {
                    ComponentItem::ComponentFunc(func) => {
                        let uncallable = |reason| InstallError::UncallableImport {
                            function: format!("{name}.{function}"),
                            reason,
                        };
                        let signature = Signature::of(&func).map_err(uncallable)?;
                        functions.push((function.to_owned(), signature));
                    }
                    ComponentItem::Type(_) => {}
                    _ => return Err(forbidden()),
                }
            }
            calls.push(CalledInterface {
                name: name.to_owned(),
                functions,
            });
        }
        let mut functions = Vec::new();
        let mut upgrade = None;
        for (interface, item) in ty.exports(engine) {
            match item.ty {
                ComponentItem::ComponentInstance(instance) => {
                    let parent = component.get_export_index(None, interface);
                    for (name, item) in instance.exports(engine) {
                        if let ComponentItem::ComponentFunc(func) = item.ty {
                            let index = component.get_export_index(parent.as_ref(), name);
                            let function = Function::new(Some(interface), name, &func, index)?;
                            if install::is_upgrade(interface) {
                                upgrade = Some(function.into_upgrade()?);
                            } else {
                                functions.push(function);
                            }
                        }
                    }
                }
                ComponentItem::ComponentFunc(func) => {
                    let index = component.get_export_index(None, interface);
                    functions.push(Function::new(None, interface, &func, index)?);
                }
                _ => {}
            }
        }
        if functions.is_empty() {
            return Err(InstallError::NothingExported);
        }
        let called = calls.iter().flat_map(|interface| &interface.functions);
        let mut handed_over = called.flat_map(|(_, signature)| &signature.parameters);
        let hands_over_flags = handed_over.any(Shape::has_flags);
        for function in functions.iter_mut().chain(&mut upgrade) {
            let result = function.signature.result.as_ref();
            if hands_over_flags || result.is_some_and(Shape::has_flags) {
                function.lift_cost = FLAGS_COST;
            }
        }
        // Deterministic order for listings, whatever order the component's sections have.
        functions.sort_by(|a, b| a.wit_name.cmp(&b.wit_name));
        let metadata = metadata(&functions, bytes);
        let (found, max) = (metadata.len(), profile.result_bytes_max);
        if found > max {
            return Err(InstallError::TooMuch {
                what: "bytes of metadata",
                found,
                max,
            });
        }
        Ok(Self {
            hash,
            metadata,
            names: names(&functions),
            component,
            functions,
            upgrade,
            calls,
            asks,
            imports,
        })
    }

    /// SHA-256 of the component.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// All functions, sorted by WIT name.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }
}

impl Compiled {
    /// Interfaces that it imports, of hosts and of other contracts, in the component's order.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// What it says of itself; see [`Contract::metadata`].
    pub fn metadata(&self) -> &str {
        &self.metadata
    }
}

impl Contract {
    pub(crate) fn new(
        id: ContractId,
        compiled: Arc<Compiled>,
        profile: &Arc<Profile>,
        instance: InstancePre<CallState>,
        callees: BTreeSet<ContractId>,
        depth: u32,
        asks: bool,
    ) -> Self {
        Self {
            depth,
            asks,
            id,
            compiled,
            profile: Arc::clone(profile),
            instance,
            callees,
        }
    }

    /// Its name on the channel: the namespace of its state.
    pub fn id(&self) -> &ContractId {
        &self.id
    }

    /// The contracts that a call of this one can reach, itself not included.
    pub fn callees(&self) -> &BTreeSet<ContractId> {
        &self.callees
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether a call of this one may ask contracts on other channels.
    pub fn asks_other_channels(&self) -> bool {
        self.asks
    }

    /// SHA-256 of the component.
    pub fn hash(&self) -> [u8; 32] {
        self.compiled.hash
    }

    /// All functions, sorted by WIT name.
    pub fn functions(&self) -> &[Function] {
        &self.compiled.functions
    }

    /// The function that [`Contract::upgrade`] runs.
    pub(crate) fn upgrade_function(&self) -> Option<&Function> {
        self.compiled.upgrade.as_ref()
    }

    /// What the contract says of itself, JSON: functions, parameters and answers as JSON schemas, with
    /// the doc comments of its WIT where the component carries them.
    pub fn metadata(&self) -> &str {
        &self.compiled.metadata
    }

    /// The function that a client means by `name`: `HealthCenter:CreateEmr`,
    /// `health-center:create-emr`, or just `CreateEmr` where only one interface has it.
    ///
    /// # Errors
    /// A sentence for the client, when there is none or it is not clear which.
    pub fn function(&self, name: &str) -> Result<&Function, String> {
        match self.compiled.names.get(name) {
            Some(Some(index)) => Ok(&self.compiled.functions[*index]),
            Some(None) => Err(format!(
                "several interfaces have a function {name}: say which, as Interface:{name}"
            )),
            None => {
                let shown: String = name.chars().take(64).collect();
                let mut known = String::new();
                for function in self.functions() {
                    let separator = if known.is_empty() { "" } else { ", " };
                    if known.len() + function.name.len() > KNOWN_BYTES_MAX {
                        known = format!("{known}{separator}…");
                        break;
                    }
                    known = format!("{known}{separator}{}", function.name);
                }
                Err(format!("there is no function {shown}; there are {known}"))
            }
        }
    }
}

/// How much of a contract's functions is listed to whoever asks for one that it does not have.
const KNOWN_BYTES_MAX: usize = 2_000;

/// `cordon:emr/health-center@1.0.0` → `health-center`.
fn short_name(interface: &str) -> &str {
    let name = interface.rsplit('/').next().unwrap_or(interface);
    name.split('@').next().unwrap_or(name)
}

fn names(functions: &[Function]) -> BTreeMap<String, Option<usize>> {
    let mut names = BTreeMap::new();
    for (index, function) in functions.iter().enumerate() {
        let mut aliases = vec![function.name.clone(), function.wit_name.clone()];
        for name in [&function.name, &function.wit_name] {
            aliases.extend(name.split_once(':').map(|(_, short)| short.to_owned()));
        }
        aliases.sort();
        aliases.dedup();
        for alias in aliases {
            names
                .entry(alias)
                .and_modify(|known| *known = None)
                .or_insert(Some(index));
        }
    }
    names
}

impl Function {
    fn new(
        full_name: Option<&str>,
        wit: &str,
        func: &ComponentFunc,
        index: Option<ComponentExportIndex>,
    ) -> Result<Self, InstallError> {
        let interface = full_name.map(short_name);
        let join = |interface: Option<String>, name: String| match interface {
            Some(interface) => format!("{interface}:{name}"),
            None => name,
        };
        let wit_name = join(interface.map(str::to_owned), wit.to_owned());
        let uncallable = |reason: String| InstallError::UncallableExport {
            function: wit_name.clone(),
            reason,
        };
        let index = index.ok_or_else(|| uncallable("it cannot be found by name".to_owned()))?;
        let signature = Signature::of(func).map_err(uncallable)?;
        let (answer, refuses) = match signature.result.clone() {
            Some(Shape::Result(ok, Some(err))) if *err == error_shape() => (ok.map(|ok| *ok), true),
            Some(Shape::Result(_, _)) => {
                let reason = "a result's error must be the error of cordon:contract/types";
                return Err(uncallable(reason.to_owned()));
            }
            answer => (answer, false),
        };
        let parameters = func
            .params()
            .map(|(name, _)| name.to_owned())
            .zip(signature.parameters.clone())
            .collect();
        Ok(Self {
            name: join(interface.map(pascal_case), pascal_case(wit)),
            wit_name: wit_name.clone(),
            parameters,
            answer,
            refuses,
            export: (full_name.unwrap_or_default().to_owned(), wit.to_owned()),
            signature,
            index,
            lift_cost: 1,
        })
    }

    /// The same, if it is what `cordon:contract/upgrade` declares.
    fn into_upgrade(self) -> Result<Self, InstallError> {
        let (interface, name) = &self.export;
        let parameters = &self.signature.parameters[..];
        let fits = install::is_known_upgrade(interface)
            && name == "upgrade"
            && parameters == [Shape::String]
            && self.refuses
            && self.answer.is_none();
        if fits {
            return Ok(self);
        }
        Err(InstallError::UncallableExport {
            function: self.wit_name,
            reason: "hosts know cordon:contract/upgrade@1.0.0 with the one function upgrade: \
                     func(from-version: string) -> result<_, error>"
                .to_owned(),
        })
    }
}

impl Signature {
    /// # Errors
    /// The reason why it cannot be called.
    fn of(func: &ComponentFunc) -> Result<Self, String> {
        if func.async_() {
            return Err("it is async".to_owned());
        }
        let parameters = func
            .params()
            .map(|(_, ty)| Shape::of(&ty, 0))
            .collect::<Result<_, _>>()?;
        let result = func.results().next().map(|ty| Shape::of(&ty, 0));
        Ok(Self {
            parameters,
            result: result.transpose()?,
        })
    }
}

/// `error` of `cordon:contract/types`.
fn error_shape() -> Shape {
    let cases = ["invalid", "forbidden", "not-found", "conflict"];
    Shape::Variant(
        cases
            .map(|case| (case.to_owned(), Some(Shape::String)))
            .to_vec(),
    )
}
