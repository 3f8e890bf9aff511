//! One of the modules, as it is read.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use wasmparser::{
    Data, Element, ExternalKind, FuncType, FunctionBody, Global, Parser, Payload, TableType,
    TypeRef,
};

/// One of the modules.
#[derive(Default)]
pub(crate) struct Part<'a> {
    /// How `main` names it.
    pub(crate) name: &'static str,
    pub(crate) types: Vec<FuncType>,
    pub(crate) imports: Vec<wasmparser::Import<'a>>,
    /// Types of its own functions, and their bodies.
    pub(crate) functions: Vec<u32>,
    pub(crate) bodies: Vec<FunctionBody<'a>>,
    pub(crate) tables: Vec<TableType>,
    pub(crate) memories: Vec<wasmparser::MemoryType>,
    pub(crate) globals: Vec<Global<'a>>,
    pub(crate) exports: BTreeMap<&'a str, (ExternalKind, u32)>,
    pub(crate) elements: Vec<Element<'a>>,
    pub(crate) data: Vec<Data<'a>>,
}

impl<'a> Part<'a> {
    pub(crate) fn read(module: &'a [u8]) -> Result<Self> {
        let mut part = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(types) => {
                    for ty in types.into_iter_err_on_gc_types() {
                        part.types.push(ty?);
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        part.imports.push(import?);
                    }
                }
                Payload::FunctionSection(functions) => {
                    for ty in functions {
                        part.functions.push(ty?);
                    }
                }
                Payload::TableSection(tables) => {
                    for table in tables {
                        part.tables.push(table?.ty);
                    }
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        part.memories.push(memory?);
                    }
                }
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        part.globals.push(global?);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        part.exports
                            .insert(export.name, (export.kind, export.index));
                    }
                }
                Payload::ElementSection(elements) => {
                    for element in elements {
                        part.elements.push(element?);
                    }
                }
                Payload::DataSection(data) => {
                    for data in data {
                        part.data.push(data?);
                    }
                }
                Payload::CodeSectionEntry(body) => part.bodies.push(body),
                Payload::StartSection { .. } => bail!("a module runs when it is instantiated"),
                _ => {}
            }
        }
        Ok(part)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.exports.contains_key(name)
    }

    pub(crate) fn export(&self, name: &str, kind: ExternalKind) -> Option<u32> {
        let (found, index) = self.exports.get(name)?;
        (*found == kind).then_some(*index)
    }
}

pub(crate) fn imported_functions(part: &Part<'_>) -> u32 {
    let functions = part
        .imports
        .iter()
        .filter(|import| matches!(import.ty, TypeRef::Func(_)));
    u32::try_from(functions.count()).unwrap_or(u32::MAX)
}
