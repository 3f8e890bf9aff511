//! Core modules of wasm-smith in what the profile allows.

use arbitrary::Unstructured;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{AbstractHeapType, BlockType, Instruction};
use wasm_smith::{Config, MemoryOffsetChoices, Module};
use wasmparser::{FunctionBody, Operator, Parser, Payload, ValType};

use crate::random::Random;

/// A module with the imports and exports of `shape`, and random code. Most of them cannot trap by
/// their own instructions: else little would run to its end.
///
/// The first global of `shape` must be an imported `i32`: how many more loops and functions begin
/// before everything returns.
pub(super) fn generate(shape: &str, random: &mut Random) -> Vec<u8> {
    let config = Config {
        module_shape: Some(wat::parse_str(shape).unwrap()),
        allow_start_export: true,
        disallow_traps: !random.once_in(4),
        max_data_segments: 6,
        max_element_segments: 6,
        max_funcs: 24,
        max_globals: 12,
        max_instructions: 40 << random.below(4),
        max_memory32_bytes: 4 << 16,
        max_table_elements: 60,
        // The one of `shape`.
        max_tables: 1,
        max_types: 12,
        memory_offset_choices: MemoryOffsetChoices(400, 8, 1),
        // The engine makes NaNs canonical.
        canonicalize_nans: false,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        ..Config::default()
    };
    let len = 2_000 + random.below(8_000);
    let bytes = random.bytes(len);
    let module = Module::new(config, &mut Unstructured::new(&bytes)).unwrap();
    fit(&module.to_bytes())
}

/// Makes code that ends, and without `externref`, which the profile does not have: wherever it stands,
/// `funcref` may as well.
fn fit(module: &[u8]) -> Vec<u8> {
    let mut fitting = Fitting {
        results: results(module).into_iter(),
    };
    let mut out = wasm_encoder::Module::new();
    fitting
        .parse_core_module(&mut out, Parser::new(0), module)
        .unwrap();
    out.finish()
}

/// The results of every function that the module defines.
fn results(module: &[u8]) -> Vec<Vec<ValType>> {
    let mut types = Vec::new();
    let mut results = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::TypeSection(section) => {
                let found = section.into_iter_err_on_gc_types();
                types.extend(found.map(|ty| ty.unwrap().results().to_vec()));
            }
            Payload::FunctionSection(section) => {
                let found = section.into_iter();
                results.extend(found.map(|index| types[index.unwrap() as usize].clone()));
            }
            _ => {}
        }
    }
    results
}

struct Fitting {
    results: std::vec::IntoIter<Vec<ValType>>,
}

impl Reencode for Fitting {
    type Error = std::convert::Infallible;

    fn abstract_heap_type(
        &mut self,
        value: wasmparser::AbstractHeapType,
    ) -> Result<AbstractHeapType, Error<Self::Error>> {
        Ok(match value {
            wasmparser::AbstractHeapType::Extern => AbstractHeapType::Func,
            value => value.into(),
        })
    }

    fn parse_function_body(
        &mut self,
        code: &mut wasm_encoder::CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let left = return_when_none_is_left(&self.results.next().unwrap());
        let mut function = self.new_function_with_parsed_locals(&body)?;
        for instruction in &left {
            function.instruction(instruction);
        }
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            let is_loop = matches!(operator, Operator::Loop { .. });
            function.instruction(&self.instruction(operator)?);
            for instruction in left.iter().filter(|_| is_loop) {
                function.instruction(instruction);
            }
        }
        code.function(&function);
        Ok(())
    }
}

fn return_when_none_is_left(results: &[ValType]) -> Vec<Instruction<'static>> {
    const LEFT: u32 = 0;
    let mut code = vec![
        Instruction::GlobalGet(LEFT),
        Instruction::I32Eqz,
        Instruction::If(BlockType::Empty),
    ];
    code.extend(results.iter().map(|ty| match ty {
        ValType::I32 => Instruction::I32Const(0),
        ValType::I64 => Instruction::I64Const(0),
        ValType::F32 => Instruction::F32Const(0.0.into()),
        ValType::F64 => Instruction::F64Const(0.0.into()),
        _ => Instruction::RefNull(wasm_encoder::HeapType::FUNC),
    }));
    code.extend([
        Instruction::Return,
        Instruction::End,
        Instruction::GlobalGet(LEFT),
        Instruction::I32Const(1),
        Instruction::I32Sub,
        Instruction::GlobalSet(LEFT),
    ]);
    code
}
