//! The three modules, and how they fit: what each numbers on its own gets the number that it has in the
//! one module.

use std::ops::Range;

use anyhow::{Context, Result, anyhow, bail, ensure};
use wasmparser::{ExternalKind, Operator, Parser, Payload, TypeRef};

use crate::part::{Part, imported_functions};

/// The engine, as `main` names it in what it exports for it.
const ENGINE: &str = "componentize_qjs_runtime.wasm";
/// The conversion of types.
const CONVERSION: &str = "wit-dylib.wasm";

/// Where what the parts number each on their own is in the one module.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) first_type: u32,
    pub(crate) functions: Vec<u32>,
    pub(crate) globals: Vec<u32>,
}

/// The three modules, and how they fit.
pub(crate) struct Linked<'a> {
    scripts: &'a str,
    /// `main` is the first.
    pub(crate) parts: Vec<Part<'a>>,
    pub(crate) places: Vec<Place>,
    /// What the contract imports, with types of the one module.
    pub(crate) imports: Vec<wasmparser::Import<'a>>,
    /// Types of the functions that stand for what no host offers, and whether they may be called.
    pub(crate) stubs: Vec<(u32, bool)>,
}

impl<'a> Linked<'a> {
    /// The modules of a component. What no script names of what it imports is not imported.
    pub(crate) fn new(component: &'a [u8], scripts: &'a str) -> Result<Self> {
        let (mut main, mut engine, mut conversion) = (None, None, None);
        for payload in Parser::new(0).parse_all(component) {
            let Payload::ModuleSection {
                unchecked_range, ..
            } = payload?
            else {
                continue;
            };
            let range = unchecked_range.start.try_into()?..unchecked_range.end.try_into()?;
            let module = component
                .get::<Range<usize>>(range)
                .context("it is cut off")?;
            // One that is not of the three may be anything.
            let Ok(part) = Part::read(module) else {
                continue;
            };
            let imports_engine = part
                .imports
                .iter()
                .any(|i| i.name == "wit_dylib_initialize");
            let (place, name) = if part.has("__indirect_function_table") {
                (&mut main, "")
            } else if part.has("wit_dylib_initialize") {
                (&mut engine, ENGINE)
            } else if imports_engine {
                (&mut conversion, CONVERSION)
            } else {
                continue;
            };
            ensure!(place.is_none(), "it has two modules of one kind");
            *place = Some(Part { name, ..part });
        }
        let found = main.zip(engine).zip(conversion);
        let ((main, engine), conversion) =
            found.context("it is not what this version of componentize-qjs makes")?;
        let mut linked = Self {
            scripts,
            parts: vec![main, engine, conversion],
            places: Vec::new(),
            imports: Vec::new(),
            stubs: Vec::new(),
        };
        linked.place()?;
        linked.drop_unused()?;
        Ok(linked)
    }

    /// Gives everything its number.
    fn place(&mut self) -> Result<()> {
        let scripts = self.scripts;
        let mut first_type = 0;
        for part in &self.parts {
            for import in part.imports.iter().filter(|import| stays(import, scripts)) {
                let TypeRef::Func(ty) = import.ty else {
                    bail!("{} is imported and no function", import.name);
                };
                let ty = TypeRef::Func(first_type + ty);
                self.imports.push(wasmparser::Import { ty, ..*import });
            }
            for import in part
                .imports
                .iter()
                .filter(|import| is_stubbed(import, scripts))
            {
                let TypeRef::Func(ty) = import.ty else {
                    bail!("{} is imported and no function", import.name);
                };
                // The adapter's own state, of which nothing is left.
                let callable = import.name == "reset_adapter_state";
                self.stubs.push((first_type + ty, callable));
            }
            first_type += len(&part.types)?;
        }
        let (mut import, mut stub) = (0, len(&self.imports)?);
        let mut function = stub + len(&self.stubs)?;
        let (mut global, mut first_type) = (0, 0);
        let mut firsts = Vec::new();
        for part in &self.parts {
            firsts.push((function, global));
            function += len(&part.functions)?;
            global += len(&part.globals)?;
        }
        for (index, part) in self.parts.iter().enumerate() {
            let mut place = Place {
                first_type,
                ..Place::default()
            };
            for wanted in &part.imports {
                match wanted.ty {
                    TypeRef::Func(_) if stays(wanted, scripts) => {
                        place.functions.push(import);
                        import += 1;
                    }
                    TypeRef::Func(_) if is_stubbed(wanted, scripts) => {
                        place.functions.push(stub);
                        stub += 1;
                    }
                    TypeRef::Func(_) => {
                        // `main` passes calls on to the others: they are asked first.
                        let mut parts = self.parts.iter().zip(&firsts).rev();
                        let from = parts.find_map(|(part, (first, _))| {
                            // What it has itself, not what it passes on.
                            let at = part.export(wanted.name, ExternalKind::Func)?;
                            Some(first + at.checked_sub(imported_functions(part))?)
                        });
                        let missing = || anyhow!("nothing exports {}", wanted.name);
                        place.functions.push(from.ok_or_else(missing)?);
                    }
                    TypeRef::Global(_) => place.globals.push(self.global(index, wanted)?),
                    TypeRef::Memory(_) | TypeRef::Table(_) => {}
                    _ => bail!("{} is imported and of an unknown kind", wanted.name),
                }
            }
            let (function, global) = firsts[index];
            place
                .functions
                .extend((function..).take(part.functions.len()));
            place.globals.extend((global..).take(part.globals.len()));
            first_type += len(&part.types)?;
            self.places.push(place);
        }
        Ok(())
    }

    /// The global of `main` that a part imports. `main` is the first part and imports none, so its
    /// numbers are those of the one module.
    pub(crate) fn global(&self, part: usize, import: &wasmparser::Import<'_>) -> Result<u32> {
        let (main, own) = (&self.parts[0], self.parts[part].name);
        let name = match (import.module, import.name) {
            ("env", "__memory_base") => format!("{own}:memory_base"),
            ("env", "__table_base") => format!("{own}:table_base"),
            ("GOT.func", name) => format!("{own}:{name}"),
            ("GOT.mem", name) if !main.has(name) => format!("{own}:{name}"),
            (_, name) => name.to_owned(),
        };
        let found = main.export(&name, ExternalKind::Global);
        found.with_context(|| format!("nothing exports the global {name}"))
    }

    /// What a constant expression gives: the host's features have none that add.
    pub(crate) fn constant(
        &self,
        part: usize,
        expression: &wasmparser::ConstExpr<'_>,
    ) -> Result<i32> {
        let mut stack = Vec::new();
        for operator in expression.get_operators_reader() {
            match operator? {
                Operator::I32Const { value } => stack.push(value),
                Operator::GlobalGet { global_index } => {
                    let global = self.places[part].globals.get(global_index as usize);
                    stack.push(self.initial(*global.context("an unknown global")?)?);
                }
                Operator::I32Add => {
                    let both = stack.pop().zip(stack.pop());
                    let (right, left) = both.context("nothing to add")?;
                    stack.push(left.wrapping_add(right));
                }
                Operator::End => {}
                other => bail!("a constant expression with {other:?}"),
            }
        }
        stack.pop().context("a constant expression without value")
    }

    /// The value that a global of the one module begins with.
    pub(crate) fn initial(&self, mut global: u32) -> Result<i32> {
        for (index, part) in self.parts.iter().enumerate() {
            match part.globals.get(global as usize) {
                Some(found) => return self.constant(index, &found.init_expr),
                None => global -= len(&part.globals)?,
            }
        }
        bail!("an unknown global")
    }
}

/// Whether an import is one of the contract's.
fn stays(import: &wasmparser::Import<'_>, scripts: &str) -> bool {
    !is_stubbed(import, scripts) && !["env", "GOT.func", "GOT.mem"].contains(&import.module)
}

/// Whether an import is one that no host offers, which was there for the script to be read, or that the
/// contract does not use. The conversion knows every import of the world.
fn is_stubbed(import: &wasmparser::Import<'_>, scripts: &str) -> bool {
    let of_no_host = ["wasi:", "wasi_snapshot_preview1", "local:init/"];
    let name = import.module.split('@').next().unwrap_or_default();
    of_no_host.iter().any(|begin| name.starts_with(begin))
        || (name.contains('/') && !scripts.contains(name))
}

pub(crate) fn len<T>(items: &[T]) -> Result<u32> {
    Ok(u32::try_from(items.len())?)
}
