//! Nothing of the process shows: not what was compiled before, not what ran in the slot before, not who
//! runs beside, not what is logged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use cordon_execute::{Compiler, Profile, thread_stack_bytes};

use crate::engines::{Channels, Proposal, link, runtime};
use crate::generated;
use crate::guest::{Guest, KEEP};
use crate::seen::Seen;

/// A component, and what its calls give.
type Known = (Vec<u8>, Vec<(Proposal, Seen)>);

/// Some generated components that do something, with their calls, and what these give in an engine that
/// has never run anything else.
fn fresh(compiler: Compiler) -> Vec<Known> {
    // Enough kinds: answers, traps, loops.
    [2, 3, 5, 0, 57]
        .into_iter()
        .map(|seed| {
            let component = generated::component(seed);
            let seen = |proposal: Proposal| {
                let engine = runtime(compiler);
                let channels = of(&engine, &component);
                let seen = proposal.run(&channels);
                (proposal, seen)
            };
            let seen = generated::proposals(seed).into_iter().map(seen).collect();
            (component, seen)
        })
        .collect()
}

fn of(engine: &cordon_execute::Runtime, component: &[u8]) -> Channels {
    link(engine, generated::limits, &[("here", "c", component)]).unwrap()
}

/// Fills and grows all that an instance has, and then traps where it is told to.
fn dirty() -> Vec<u8> {
    let core = r#"
        (table $t 100 9000 funcref) (elem declare func $f) (func $f)
        (global $g (mut i64) (i64.const 0))
        (func (export "run") (param $n i32) (param i32 i32) (result i32)
            (drop (memory.grow (i32.const 100)))
            (memory.fill (i32.const 0) (i32.const 0xaa) (i32.mul (memory.size) (i32.const 0x10000)))
            (drop (table.grow $t (ref.func $f) (i32.const 5000)))
            (table.fill $t (i32.const 0) (ref.func $f) (table.size $t))
            (global.set $g (i64.const -1))
            (if (local.get $n) (then unreachable))
            (i32.const 0))"#;
    Guest {
        core,
        ..Guest::default()
    }
    .component()
}

/// Shows all that an instance has.
fn reader() -> Vec<u8> {
    let core = format!(
        r#"{KEEP}
        (table $t 100 9000 funcref)
        (global $g (mut i64) (i64.const 0))
        (func (export "run") (param i32 i32 i32) (result i32) (local $i i32) (local $set i32)
            (call $keep (i32.const 65) (i32.const 0) (i32.const 0x5ff00))
            (call $keep (i32.const 66) (i32.const 0x60000) (i32.const 0x20000))
            (i64.store (i32.const 0) (global.get $g))
            (i32.store (i32.const 8) (memory.size))
            (i32.store (i32.const 12) (table.size $t))
            (loop
                (if (i32.eqz (ref.is_null (table.get $t (local.get $i))))
                    (then (local.set $set (i32.add (local.get $set) (i32.const 1)))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if 0 (i32.lt_u (local.get $i) (table.size $t))))
            (i32.store (i32.const 16) (local.get $set))
            (drop (memory.grow (i32.const 50)))
            (drop (table.grow $t (ref.null func) (i32.const 4000)))
            (local.set $i (i32.const 0))
            (loop
                (if (i32.eqz (ref.is_null (table.get $t (local.get $i))))
                    (then (local.set $set (i32.add (local.get $set) (i32.const 1)))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if 0 (i32.lt_u (local.get $i) (table.size $t))))
            (i32.store (i32.const 20) (local.get $set))
            (call $keep (i32.const 67) (i32.const 0) (i32.const 24))
            (call $keep (i32.const 68) (i32.const 0x80000) (i32.const 0x80000))
            (i32.const 0))"#
    );
    Guest {
        core: &core,
        ..Guest::default()
    }
    .component()
}

fn run(n: u32) -> Proposal {
    Proposal::new(&["Run", &n.to_string(), ""])
}

#[test]
fn compiled_twice_is_compiled_alike() {
    for compiler in [Compiler::Cranelift, Compiler::Pulley] {
        let warm = runtime(compiler);
        for (component, seen) in fresh(compiler) {
            let compiled = warm.compile(&component).unwrap();
            // The second time it is found, and not compiled.
            assert!(Arc::ptr_eq(&compiled, &warm.compile(&component).unwrap()));
            let linked = of(&warm, &component);
            drop(compiled);
            for (proposal, first) in &seen {
                assert!(proposal.run(&linked) == *first, "{compiler:?}: {first:?}");
            }
            // Forgotten and compiled again.
            drop(linked);
            let linked = of(&warm, &component);
            for (proposal, first) in &seen {
                assert!(proposal.run(&linked) == *first, "{compiler:?}: {first:?}");
            }
        }
    }
}

#[test]
fn a_slot_that_was_used_is_as_good_as_new() {
    for compiler in [Compiler::Cranelift, Compiler::Pulley] {
        let all = fresh(compiler);
        let engine = runtime(compiler);
        let link = |component: &[u8]| link(&engine, |_| (), &[("here", "c", component)]).unwrap();
        let (dirty, reader) = (link(&dirty()), link(&reader()));
        let clean = run(0).run(&reader);
        assert_eq!(clean.status, 200, "{clean:?}");
        for write in &clean.rw_set.contracts[0].writes {
            let value = write.value.as_ref().unwrap();
            let zero = match write.key.as_str() {
                // The text of the arguments is empty; nothing else is in a memory.
                "A" | "B" | "D" => value.iter().all(|byte| *byte == 0),
                _ => **value == *b"\0\0\0\0\0\0\0\0\x08\0\0\0\x64\0\0\0\0\0\0\0\0\0\0\0",
            };
            assert!(zero, "{} of a new instance", write.key);
        }
        let linked: Vec<Channels> = all.iter().map(|(bytes, _)| of(&engine, bytes)).collect();
        for round in 0..6 {
            for (channels, (_, seen)) in linked.iter().zip(&all) {
                assert_eq!(run(0).run(&dirty).status, 200);
                assert_eq!(run(1).run(&dirty).status, 500);
                let found = run(0).run(&reader);
                assert!(found == clean, "{compiler:?}, round {round}: {found:?}");
                let (proposal, first) = &seen[round % seen.len()];
                let again = proposal.run(channels);
                assert!(
                    again == *first,
                    "{compiler:?}, round {round}: {first:?}{again:?}"
                );
            }
        }
    }
}

#[test]
fn eight_threads_give_what_one_gives() {
    const THREADS: usize = 8;
    for compiler in [Compiler::Cranelift, Compiler::Pulley] {
        let all = fresh(compiler);
        let engine = runtime(compiler);
        let linked: Vec<Channels> = all.iter().map(|(bytes, _)| of(&engine, bytes)).collect();
        let start = Barrier::new(THREADS);
        let work = |thread: usize| {
            start.wait();
            for round in 0..12 {
                let at = (thread + round) % all.len();
                for (proposal, first) in &all[at].1 {
                    let found = proposal.run(&linked[at]);
                    assert!(found == *first, "{compiler:?}: {first:?}{found:?}");
                }
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let work = &work;
                    std::thread::Builder::new()
                        .stack_size(thread_stack_bytes(&Profile::default()))
                        .spawn_scoped(scope, move || work(thread))
                        .unwrap()
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}

/// Counts and writes what is logged, to nowhere.
struct Sink(AtomicUsize);

impl log::Log for Sink {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0
            .fetch_add(record.args().to_string().len(), Ordering::Relaxed);
    }

    fn flush(&self) {}
}

/// The engine itself logs, and much: what it compiles, what it instantiates.
#[test]
fn what_is_logged_changes_nothing() {
    static SINK: Sink = Sink(AtomicUsize::new(0));
    log::set_logger(&SINK).unwrap();
    let component = generated::component(2);
    let mut seen = Vec::new();
    for level in log::LevelFilter::iter() {
        log::set_max_level(level);
        let before = SINK.0.load(Ordering::Relaxed);
        let engine = runtime(Compiler::Cranelift);
        let channels = of(&engine, &component);
        let all = generated::proposals(2).into_iter();
        seen.push(
            all.map(|proposal| proposal.run(&channels))
                .collect::<Vec<Seen>>(),
        );
        let logged = SINK.0.load(Ordering::Relaxed) - before;
        println!("{level}: {logged} bytes logged");
        assert!(
            (logged > 0) == (level >= log::LevelFilter::Debug),
            "{level}"
        );
    }
    log::set_max_level(log::LevelFilter::Off);
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|of_level| *of_level == seen[0]));
}
