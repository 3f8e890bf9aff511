//! What a component may be, checked before anything of it is compiled or stored: its size and shape, the
//! parts of WebAssembly that it uses, that it is valid, and the names of what it imports. The types of its
//! imports and exports are read when it is compiled (`contract.rs`).

use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload, TypeRef,
    ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use crate::error::InstallError;
use crate::profile::Profile;

/// Checks size, shape and validity of a component.
///
/// # Errors
/// [`InstallError`] for the first thing that is not as `profile` allows.
pub(crate) fn check(bytes: &[u8], profile: &Profile) -> Result<(), InstallError> {
    check_size(bytes, profile)?;
    let mut shape = Shape::new(profile);
    let mut validator = Validator::new_with_features(features(profile)?);
    let mut allocations = FuncValidatorAllocations::default();
    // How many modules and components the parser is inside of, the component itself not counted.
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        // What is too much is not even looked into.
        shape.count(&payload)?;
        match &payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for found in imports.clone() {
                    import(found.map_err(invalid)?.name.name)?;
                }
            }
            _ => {}
        }
        if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(invalid)? {
            shape.function(&body)?;
            allocations = validate(function, &body, allocations)?;
        }
    }
    Ok(())
}

/// The first check, which costs nothing.
pub(crate) fn check_size(bytes: &[u8], profile: &Profile) -> Result<(), InstallError> {
    within("bytes", bytes.len(), profile.component_bytes_max)
}

/// What hosts offer to every contract.
const OFFERED: &str = "cordon:contract/";
const OFFERED_VERSION: &str = "@1.0.0";
const OFFERED_INTERFACES: [&str; 6] = [
    "types",
    "context",
    "state",
    "events",
    "ledger-query",
    "diagnostics",
];

/// Whom an import is for.
pub(crate) enum Import<'a> {
    /// The host: one of its interfaces, by its short name.
    Offered(&'a str),
    /// Another contract.
    Contract,
}

/// Who offers the import of that name.
///
/// # Errors
/// [`InstallError::ForbiddenImport`] when nobody ever does.
pub(crate) fn import(name: &str) -> Result<Import<'_>, InstallError> {
    let offered = name
        .strip_prefix(OFFERED)
        .and_then(|n| n.strip_suffix(OFFERED_VERSION))
        .filter(|interface| OFFERED_INTERFACES.contains(interface));
    match offered {
        Some(interface) => Ok(Import::Offered(interface)),
        None if name.starts_with(OFFERED) || name.starts_with("wasi:") => {
            Err(InstallError::ForbiddenImport {
                name: name.to_owned(),
            })
        }
        None => Ok(Import::Contract),
    }
}

/// Whether an exported interface is the one that hosts, and nobody else, call; of any version, so that
/// one of another version is refused and not taken for functions of clients.
pub(crate) fn is_upgrade(interface: &str) -> bool {
    let name = interface.strip_prefix(OFFERED);
    name.is_some_and(|name| name.split('@').next() == Some("upgrade"))
}

/// Whether it is the version of it that hosts know.
pub(crate) fn is_known_upgrade(interface: &str) -> bool {
    let name = interface.strip_prefix(OFFERED);
    name.and_then(|name| name.strip_suffix(OFFERED_VERSION)) == Some("upgrade")
}

/// The parts of WebAssembly that a profile names.
pub(crate) fn features(profile: &Profile) -> Result<WasmFeatures, InstallError> {
    // Floating point is no proposal, but can be switched off there.
    let mut features = WasmFeatures::FLOATS;
    for name in &profile.features {
        let constant = name.to_uppercase().replace('-', "_");
        let feature = WasmFeatures::from_name(&constant)
            .ok_or_else(|| InstallError::Invalid(format!("this host knows no feature {name}")))?;
        features |= feature;
    }
    Ok(features)
}

fn validate(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    allocations: FuncValidatorAllocations,
) -> Result<FuncValidatorAllocations, InstallError> {
    let mut validator = function.into_validator(allocations);
    validator.validate(body).map_err(invalid)?;
    Ok(validator.into_allocations())
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn invalid(error: wasmparser::BinaryReaderError) -> InstallError {
    InstallError::Invalid(error.to_string())
}

fn within(what: &'static str, found: usize, max: usize) -> Result<(), InstallError> {
    if found > max {
        return Err(InstallError::TooMuch { what, found, max });
    }
    Ok(())
}

/// What has been counted so far, in all modules and components inside the component together.
struct Shape<'a> {
    profile: &'a Profile,
    parts: usize,
    types: usize,
    definitions: usize,
    functions: usize,
    segments: usize,
    custom_bytes: usize,
}

impl<'a> Shape<'a> {
    fn new(profile: &'a Profile) -> Self {
        Self {
            profile,
            parts: 0,
            types: 0,
            definitions: 0,
            functions: 0,
            segments: 0,
            custom_bytes: 0,
        }
    }

    fn count(&mut self, payload: &Payload<'_>) -> Result<(), InstallError> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => self.parts += 1,
            Payload::TypeSection(types) => {
                self.types += types.count() as usize;
                for function in types.clone().into_iter_err_on_gc_types() {
                    let function = function.map_err(invalid)?;
                    let count = function.params().len() + function.results().len();
                    let max = self.profile.parameters_max;
                    within("parameters and results of one function", count, max)?;
                }
            }
            Payload::CoreTypeSection(types) => self.types += types.count() as usize,
            Payload::ComponentTypeSection(types) => self.types += types.count() as usize,
            Payload::FunctionSection(functions) => self.functions += functions.count() as usize,
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    match import.map_err(invalid)?.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => self.functions += 1,
                        _ => self.definitions += 1,
                    }
                }
            }
            Payload::GlobalSection(globals) => self.definitions += globals.count() as usize,
            Payload::TableSection(tables) => self.definitions += tables.count() as usize,
            Payload::MemorySection(memories) => self.definitions += memories.count() as usize,
            Payload::ExportSection(exports) => self.definitions += exports.count() as usize,
            Payload::InstanceSection(items) => self.definitions += items.count() as usize,
            Payload::ComponentInstanceSection(items) => self.definitions += items.count() as usize,
            Payload::ComponentAliasSection(items) => self.definitions += items.count() as usize,
            Payload::ComponentCanonicalSection(items) => self.definitions += items.count() as usize,
            Payload::ComponentImportSection(items) => self.definitions += items.count() as usize,
            Payload::ComponentExportSection(items) => self.definitions += items.count() as usize,
            Payload::ElementSection(segments) => self.segments += segments.count() as usize,
            Payload::DataSection(segments) => self.segments += segments.count() as usize,
            Payload::CustomSection(section) => self.custom_bytes += section.data().len(),
            _ => {}
        }
        let profile = self.profile;
        within(
            "modules and components inside",
            self.parts,
            profile.parts_max,
        )?;
        within("types", self.types, profile.types_max)?;
        within("functions", self.functions, profile.functions_max)?;
        within(
            "imports, exports, instances, aliases, globals, tables and memories",
            self.definitions,
            profile.definitions_max,
        )?;
        within(
            "data and element segments",
            self.segments,
            profile.segments_max,
        )?;
        within(
            "bytes of custom sections",
            self.custom_bytes,
            profile.custom_bytes_max,
        )
    }

    /// What one function costs its compiler more than its bytes tell.
    fn function(&self, body: &FunctionBody<'_>) -> Result<(), InstallError> {
        let profile = self.profile;
        within(
            "bytes in one function",
            body.as_bytes().len(),
            profile.function_bytes_max,
        )?;
        let mut locals = 0usize;
        for group in body.get_locals_reader().map_err(invalid)? {
            let (count, _) = group.map_err(invalid)?;
            locals = locals.saturating_add(count as usize);
        }
        within("locals in one function", locals, profile.locals_max)?;
        let mut depth = 0usize;
        for operator in body.get_operators_reader().map_err(invalid)? {
            match operator.map_err(invalid)? {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    depth += 1;
                    within("blocks in one another", depth, profile.nesting_max)?;
                }
                Operator::End => depth = depth.saturating_sub(1),
                Operator::BrTable { targets } => within(
                    "targets of one branch table",
                    targets.len() as usize,
                    profile.branch_targets_max,
                )?,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
