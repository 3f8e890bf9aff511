//! The one module.

use anyhow::{Result, bail, ensure};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, ImportSection, Instruction,
    MemorySection, MemoryType, Module, TableSection, TypeSection,
};
use wasmparser::{DataKind, FunctionBody, TypeRef};

use crate::link::{Linked, Place};

/// Data that is at most so many bytes apart becomes one segment: hosts count segments.
const GAP_BYTES_MAX: u64 = 4096;

impl Linked<'_> {
    pub(crate) fn module(&self) -> Result<Module> {
        let mut module = Module::new();
        let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
        let mut code = CodeSection::new();
        for (ty, callable) in &self.stubs {
            functions.function(*ty);
            let mut body = Function::new([]);
            if !callable {
                body.instruction(&Instruction::Unreachable);
            }
            body.instruction(&Instruction::End);
            code.function(&body);
        }
        for (part, place) in self.parts.iter().zip(&self.places) {
            let mut moved = Moved(place);
            for ty in &part.types {
                types.ty().func_type(&moved.func_type(ty.clone())?);
            }
            for ty in &part.functions {
                functions.function(place.first_type + ty);
            }
            for body in &part.bodies {
                moved.parse_function_body(&mut code, body.clone())?;
            }
        }
        let mut imports = ImportSection::new();
        for import in &self.imports {
            if let TypeRef::Func(ty) = import.ty {
                imports.import(import.module, import.name, EntityType::Function(ty));
            }
        }
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        for (name, function) in self.exported()? {
            exports.export(name, ExportKind::Func, function);
        }
        let mut elements = ElementSection::new();
        for (at, functions) in self.elements()? {
            let functions = Elements::Functions(functions.into());
            elements.active(None, &ConstExpr::i32_const(at), functions);
        }
        let (tables, memories) = self.tables_and_memories()?;
        module.section(&types).section(&imports).section(&functions);
        module.section(&tables).section(&memories);
        module.section(&self.globals()?).section(&exports);
        module.section(&elements);
        module.section(&code).section(&self.data()?);
        Ok(module)
    }

    fn tables_and_memories(&self) -> Result<(TableSection, MemorySection)> {
        let (mut tables, mut memories) = (TableSection::new(), MemorySection::new());
        let main = &self.parts[0];
        let ([table], [memory]) = (&main.tables[..], &main.memories[..]) else {
            bail!("there is not one table and one memory");
        };
        tables.table(Moved(&self.places[0]).table_type(*table)?);
        memories.memory(MemoryType {
            minimum: memory.initial,
            maximum: memory.maximum,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        Ok((tables, memories))
    }

    fn globals(&self) -> Result<GlobalSection> {
        let mut globals = GlobalSection::new();
        for (index, part) in self.parts.iter().enumerate() {
            for global in &part.globals {
                let ty = Moved(&self.places[index]).global_type(global.ty)?;
                let value = self.constant(index, &global.init_expr)?;
                globals.global(ty, &ConstExpr::i32_const(value));
            }
        }
        Ok(globals)
    }

    /// The memory of `main`, in few segments. The other parts' is in it already.
    fn data(&self) -> Result<DataSection> {
        let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            for data in &part.data {
                let DataKind::Active { offset_expr, .. } = &data.kind else {
                    ensure!(data.data.is_empty(), "a data segment of an unknown kind");
                    continue;
                };
                let at = self.constant(index, offset_expr)?;
                let at = u64::from(at.cast_unsigned());
                match runs.last_mut() {
                    Some((from, bytes))
                        if at
                            .checked_sub(*from + bytes.len() as u64)
                            .is_some_and(|gap| gap <= GAP_BYTES_MAX) =>
                    {
                        bytes.resize(usize::try_from(at - *from)?, 0);
                        bytes.extend_from_slice(data.data);
                    }
                    _ => runs.push((at, data.data.to_vec())),
                }
            }
        }
        let mut section = DataSection::new();
        for (at, bytes) in runs {
            let at = u32::try_from(at)?.cast_signed();
            section.active(0, &ConstExpr::i32_const(at), bytes);
        }
        Ok(section)
    }
}

/// Writes what a part numbers with the numbers of the one module.
struct Moved<'a>(&'a Place);

impl Reencode for Moved<'_> {
    type Error = Unknown;

    fn type_index(&mut self, ty: u32) -> Result<u32, reencode::Error<Unknown>> {
        Ok(self.0.first_type + ty)
    }

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error<Unknown>> {
        let found = self.0.functions.get(function as usize);
        found.copied().ok_or(UNKNOWN)
    }

    fn global_index(&mut self, global: u32) -> Result<u32, reencode::Error<Unknown>> {
        let found = self.0.globals.get(global as usize);
        found.copied().ok_or(UNKNOWN)
    }

    /// Hosts do not allow tail calls, so they become calls. What the engine returned at once it now
    /// returns when the called function has: the same, with more of the stack used meanwhile.
    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error<Unknown>> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            let call = match &instruction {
                Instruction::ReturnCall(function) => Some(Instruction::Call(*function)),
                Instruction::ReturnCallIndirect {
                    type_index,
                    table_index,
                } => Some(Instruction::CallIndirect {
                    type_index: *type_index,
                    table_index: *table_index,
                }),
                _ => None,
            };
            match call {
                Some(call) => function
                    .instruction(&call)
                    .instruction(&Instruction::Return),
                None => function.instruction(&instruction),
            };
        }
        code.function(&function);
        Ok(())
    }

    // Segments are joined and moved: no code may copy them.
    fn data_index(&mut self, _: u32) -> Result<u32, reencode::Error<Unknown>> {
        Err(UNKNOWN)
    }

    fn element_index(&mut self, _: u32) -> Result<u32, reencode::Error<Unknown>> {
        Err(UNKNOWN)
    }
}

/// Code that names what is not there.
#[derive(Debug)]
struct Unknown;

const UNKNOWN: reencode::Error<Unknown> = reencode::Error::UserError(Unknown);

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("its code names a function, global or segment that is not there")
    }
}

impl std::error::Error for Unknown {}
