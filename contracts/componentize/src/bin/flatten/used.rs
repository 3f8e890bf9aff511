//! What of the modules the contract uses: its functions, what the table begins with, and all that these
//! reach.

use anyhow::{Context, Result, bail};
use wasmparser::{ElementItems, ElementKind, ExternalKind, Operator};

use crate::link::{Linked, len};

impl<'a> Linked<'a> {
    /// Leaves out every function that no function of the contract can reach: what reads scripts from
    /// files, among others.
    pub(crate) fn drop_unused(&mut self) -> Result<()> {
        let first_own = len(&self.imports)? + len(&self.stubs)?;
        let owners: Vec<(usize, usize)> = self
            .parts
            .iter()
            .enumerate()
            .flat_map(|(part, found)| (0..found.bodies.len()).map(move |own| (part, own)))
            .collect();
        let mut used = vec![false; first_own as usize + owners.len()];
        let mut waiting: Vec<u32> = self.exported()?.into_iter().map(|(_, f)| f).collect();
        waiting.extend(0..len(&self.imports)?);
        for (_, functions) in self.elements()? {
            waiting.extend(functions);
        }
        while let Some(function) = waiting.pop() {
            let seen = used.get_mut(function as usize);
            if std::mem::replace(seen.context("a function that is not there")?, true) {
                continue;
            }
            let own = function
                .checked_sub(first_own)
                .map(|own| owners[own as usize]);
            let Some((part, own)) = own else {
                continue;
            };
            for operator in self.parts[part].bodies[own].get_operators_reader()? {
                if let Operator::Call { function_index }
                | Operator::ReturnCall { function_index }
                | Operator::RefFunc { function_index } = operator?
                {
                    waiting.push(self.function(part, function_index)?);
                }
            }
        }
        self.renumber(&used);
        Ok(())
    }

    fn renumber(&mut self, used: &[bool]) {
        let mut next = 0;
        let numbers: Vec<u32> = used
            .iter()
            .map(|used| {
                let number = next;
                next += u32::from(*used);
                number
            })
            .collect();
        for place in &mut self.places {
            for function in &mut place.functions {
                *function = numbers[*function as usize];
            }
        }
        let mut left = used.iter().skip(self.imports.len()).copied();
        let mut is_used = || left.next().unwrap_or_default();
        self.stubs.retain(|_| is_used());
        for part in &mut self.parts {
            let both = part.functions.drain(..).zip(part.bodies.drain(..));
            let both: Vec<_> = both.filter(|_| is_used()).collect();
            (part.functions, part.bodies) = both.into_iter().unzip();
        }
    }

    /// The number that a part's function has in the one module.
    fn function(&self, part: usize, index: u32) -> Result<u32> {
        let function = self.places[part].functions.get(index as usize);
        function.copied().context("a function that is not there")
    }

    /// The contract's functions, and what passing values takes. Not the engine's: one of them runs any
    /// script that it is given.
    pub(crate) fn exported(&self) -> Result<Vec<(&'a str, u32)>> {
        let mut exported = Vec::new();
        for (name, (kind, index)) in &self.parts[2].exports {
            if *kind == ExternalKind::Func && !name.starts_with("__wasm_") {
                exported.push((*name, self.function(2, *index)?));
            }
        }
        Ok(exported)
    }

    /// What the table begins with: where, and functions.
    pub(crate) fn elements(&self) -> Result<Vec<(i32, Vec<u32>)>> {
        let mut elements = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            for element in &part.elements {
                let (ElementKind::Active { offset_expr, .. }, ElementItems::Functions(functions)) =
                    (&element.kind, &element.items)
                else {
                    bail!("an element segment of an unknown kind");
                };
                let mut found = Vec::new();
                for function in functions.clone() {
                    found.push(self.function(index, function?)?);
                }
                elements.push((self.constant(index, offset_expr)?, found));
            }
            // Functions that a part takes by their place in the table.
            for import in part.imports.iter().filter(|i| i.module == "GOT.func") {
                let at = self.initial(self.global(index, import)?)?;
                let function = part.export(import.name, ExternalKind::Func);
                let function = function.with_context(|| format!("{} is elsewhere", import.name))?;
                elements.push((at, vec![self.function(index, function)?]));
            }
        }
        Ok(elements)
    }
}
