//! A compiled contract: which functions it has, and how they are found by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use crate::error::InstallError;
use crate::host::CallState;
use crate::metadata::metadata;
use crate::profile::Profile;
use crate::shape::{Shape, pascal_case};

/// What every contract may import.
const OFFERED: &str = "cordon:contract/";
const OFFERED_VERSION: &str = "@1.0.0";

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
    pub(crate) index: ComponentExportIndex,
}

/// A compiled component, ready to be called any number of times at once.
pub struct Contract {
    hash: [u8; 32],
    pub(crate) profile: Arc<Profile>,
    pub(crate) instance: InstancePre<CallState>,
    functions: Vec<Function>,
    metadata: String,
    /// Every accepted name → index of the function; `None` when two interfaces share it.
    names: BTreeMap<String, Option<usize>>,
}

impl Contract {
    pub(crate) fn new(
        engine: &Engine,
        linker: &Linker<CallState>,
        profile: &Arc<Profile>,
        component: &Component,
        bytes: &[u8],
    ) -> Result<Self, InstallError> {
        let ty = component.component_type();
        for (name, _) in ty.imports(engine) {
            let offered = name
                .strip_prefix(OFFERED)
                .and_then(|n| n.strip_suffix(OFFERED_VERSION));
            if !matches!(offered, Some("types" | "context" | "state" | "events")) {
                return Err(InstallError::ForbiddenImport {
                    name: name.to_owned(),
                });
            }
        }
        let mut functions = Vec::new();
        for (interface, item) in ty.exports(engine) {
            match item.ty {
                ComponentItem::ComponentInstance(instance) => {
                    let parent = component.get_export_index(None, interface);
                    for (name, item) in instance.exports(engine) {
                        if let ComponentItem::ComponentFunc(func) = item.ty {
                            let index = component.get_export_index(parent.as_ref(), name);
                            let short = short_name(interface);
                            functions.push(Function::new(Some(short), name, &func, index)?);
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
        // Deterministic order for listings, whatever order the component's sections have.
        functions.sort_by(|a, b| a.wit_name.cmp(&b.wit_name));
        let instance = linker
            .instantiate_pre(component)
            .map_err(|error| InstallError::Invalid(format!("{error:#}")))?;
        Ok(Self {
            hash: Sha256::digest(bytes).into(),
            profile: Arc::clone(profile),
            instance,
            names: names(&functions),
            metadata: metadata(&functions, bytes),
            functions,
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

    /// What the contract says of itself, JSON: functions, parameters and answers as JSON schemas, with
    /// the doc comments of its WIT where the component carries them.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The function that a client means by `name`: `HealthCenter:CreateEmr`,
    /// `health-center:create-emr`, or just `CreateEmr` where only one interface has it.
    ///
    /// # Errors
    /// A sentence for the client, when there is none or it is not clear which.
    pub fn function(&self, name: &str) -> Result<&Function, String> {
        match self.names.get(name) {
            Some(Some(index)) => Ok(&self.functions[*index]),
            Some(None) => Err(format!(
                "several interfaces have a function {name}: say which, as Interface:{name}"
            )),
            None => {
                let shown: String = name.chars().take(64).collect();
                let known: Vec<&str> = self
                    .functions
                    .iter()
                    .map(|function| function.name.as_str())
                    .collect();
                Err(format!(
                    "there is no function {shown}; there are {}",
                    known.join(", ")
                ))
            }
        }
    }
}

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
        interface: Option<&str>,
        wit: &str,
        func: &ComponentFunc,
        index: Option<ComponentExportIndex>,
    ) -> Result<Self, InstallError> {
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
        if func.async_() {
            return Err(uncallable("it is async".to_owned()));
        }
        let parameters = func
            .params()
            .map(|(name, ty)| Ok((name.to_owned(), Shape::of(&ty, 0).map_err(uncallable)?)))
            .collect::<Result<Vec<_>, InstallError>>()?;
        let result = func
            .results()
            .next()
            .map(|ty| Shape::of(&ty, 0))
            .transpose();
        let (answer, refuses) = match result.map_err(uncallable)? {
            Some(Shape::Result(ok, Some(err))) if *err == error_shape() => (ok.map(|ok| *ok), true),
            Some(Shape::Result(_, _)) => {
                let reason = "a result's error must be the error of cordon:contract/types";
                return Err(uncallable(reason.to_owned()));
            }
            answer => (answer, false),
        };
        Ok(Self {
            name: join(interface.map(pascal_case), pascal_case(wit)),
            wit_name: wit_name.clone(),
            parameters,
            answer,
            refuses,
            index,
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
