//! Small contracts in WebAssembly text.

/// Functions that [`lowered`] offers, by their interfaces.
const LOWERED: [(&str, &[&str]); 3] = [
    (
        "context",
        &[
            "channel",
            "transaction-id",
            "timestamp",
            "caller",
            "attribute",
            "transient",
            "calling-contract",
        ],
    ),
    ("state", &["get", "put", "delete", "scan", "history"]),
    ("events", &["emit"]),
];

/// The host's functions of [`WIT`], lowered with memory and `realloc` of the core instance `$m`, as
/// the core instance `$l`.
pub(crate) fn lowered() -> String {
    let (mut lowered, mut exports) = (String::new(), String::new());
    for (interface, names) in LOWERED {
        for name in names {
            lowered += &format!(
                r#"(core func ${name} (canon lower (func ${interface} "{name}")
                    (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))"#
            );
            exports += &format!(r#"(export "{name}" (func ${name}))"#);
        }
    }
    format!("{lowered} (core instance $l {exports})")
}

/// Parts of a small contract, whose function `run` takes a number and a text and answers a number.
#[derive(Default)]
pub(crate) struct Guest<'a> {
    /// Fields of the core module. Exports `run: (i32 i32 i32) -> i32`; what it imports of the host is
    /// in `l`, memory and `realloc` are in `m`, `d` of another contract is in `d` where `calls` is set.
    pub(crate) core: &'a str,
    /// Runs before room is handed out.
    pub(crate) realloc: &'a str,
    /// Runs after the answer was taken.
    pub(crate) post_return: &'a str,
    /// Whether it calls the contract that exports `t:d/api@1.0.0`.
    pub(crate) calls: bool,
    /// Its own interface, `t:…/api@1.0.0`.
    pub(crate) name: &'a str,
}

impl Guest<'_> {
    pub(crate) fn component(&self) -> Vec<u8> {
        let Self {
            core,
            realloc,
            post_return,
            ..
        } = self;
        let name = if self.name.is_empty() { "c" } else { self.name };
        let lowered = lowered();
        let signature = r#"(param "n" u32) (param "s" string) (result u32)"#;
        let (import, lower, with) = if self.calls {
            (
                format!(
                    r#"(import "t:d/api@1.0.0" (instance $d (export "run" (func {signature}))))"#
                ),
                r#"(core func $d_run (canon lower (func $d "run") (memory (core memory $m "memory"))))"#,
                r#"(with "d" (instance (export "run" (func $d_run))))"#,
            )
        } else {
            (String::new(), "", "")
        };
        let text = format!(
            r#"(component
                {WIT} {import}
                (core module $mem
                    (memory (export "memory") 8)
                    (global $next (mut i32) (i32.const 0x60000))
                    (table funcref (elem $itself))
                    (func $itself (unreachable))
                    (func (export "realloc") (param i32 i32 i32) (param $len i32) (result i32)
                        (local $at i32)
                        {realloc}
                        (if (i32.gt_u (local.get $len) (i32.const 0x10000)) (then unreachable))
                        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                        (if (i32.gt_u (i32.add (local.get $at) (local.get $len)) (i32.const 0x80000))
                            (then (local.set $at (i32.const 0x60000))))
                        (global.set $next (i32.add (local.get $at) (local.get $len)))
                        (local.get $at)))
                (core instance $m (instantiate $mem))
                {lowered} {lower}
                (core module $main
                    (import "m" "memory" (memory 8))
                    {core}
                    (func (export "after") (param i32) {post_return}))
                (core instance $i (instantiate $main
                    (with "m" (instance $m)) (with "l" (instance $l)) {with}))
                (func $run {signature}
                    (canon lift (core func $i "run") (memory (core memory $m "memory"))
                        (realloc (core func $m "realloc")) (post-return (core func $i "after"))))
                (instance $api (export "run" (func $run)))
                (export "t:{name}/api@1.0.0" (instance $api)))"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

/// Imports what puts a value into the state, and a function around it: `$keep` with the key's one
/// letter, and where the value lies. It uses the memory from 0x5ff00 on.
pub(crate) const KEEP: &str = r#"
    (import "l" "put" (func $put (param i32 i32 i32 i32 i32)))
    (func $keep (param $letter i32) (param $at i32) (param $len i32)
        (i32.store8 (i32.const 0x5ff00) (local.get $letter))
        (call $put (i32.const 0x5ff00) (i32.const 1) (local.get $at) (local.get $len)
            (i32.const 0x5ff10)))"#;

/// Our interfaces, all but `ledger-query`.
pub(crate) const WIT: &str = r#"
    (import "cordon:contract/types@1.0.0" (instance $types
        (type $e (variant (case "invalid" string) (case "forbidden" string)
            (case "not-found" string) (case "conflict" string)))
        (export "error" (type (eq $e)))))
    (alias export $types "error" (type $error))
    (import "cordon:contract/context@1.0.0" (instance $context
        (type $m (record (field "seconds" s64) (field "nanoseconds" u32)))
        (export "moment" (type $moment (eq $m)))
        (type $i (record (field "msp-id" string) (field "subject" string)
            (field "unique-id" string) (field "enrollment-id" string)
            (field "attributes" (list (tuple string string)))))
        (export "identity" (type $identity (eq $i)))
        (export "channel" (func (result string)))
        (export "transaction-id" (func (result string)))
        (export "timestamp" (func (result $moment)))
        (export "caller" (func (result $identity)))
        (export "attribute" (func (param "name" string) (result (option string))))
        (export "transient" (func (param "name" string) (result (option (list u8)))))
        (export "calling-contract" (func (result (option string))))))
    (import "cordon:contract/state@1.0.0" (instance $state
        (alias outer 1 $error (type $e))
        (export "error" (type $error (eq $e)))
        (type $n (record (field "key" string) (field "value" (list u8))))
        (export "entry" (type $entry (eq $n)))
        (type $k (variant (case "prefix" string) (case "between" (tuple string string))))
        (export "key-range" (type $range (eq $k)))
        (type $p (record (field "entries" (list $entry)) (field "next" (option string))))
        (export "page" (type $page (eq $p)))
        (type $o (record (field "block" u64) (field "index" u32)))
        (export "position" (type $position (eq $o)))
        (type $c (record (field "position" $position) (field "transaction-id" string)
            (field "timestamp-seconds" s64) (field "value" (option (list u8)))))
        (export "change" (type $change (eq $c)))
        (type $h (record (field "changes" (list $change)) (field "next" (option $position))))
        (export "history-page" (type $history (eq $h)))
        (export "get" (func (param "key" string)
            (result (result (option (list u8)) (error $error)))))
        (export "put" (func (param "key" string) (param "value" (list u8))
            (result (result (error $error)))))
        (export "delete" (func (param "key" string) (result (result (error $error)))))
        (export "scan" (func (param "range" $range) (param "limit" u32)
            (param "after" (option string)) (result (result $page (error $error)))))
        (export "history" (func (param "key" string) (param "limit" u32)
            (param "before" (option $position)) (result (result $history (error $error)))))))
    (import "cordon:contract/events@1.0.0" (instance $events
        (alias outer 1 $error (type $e))
        (export "error" (type $error (eq $e)))
        (export "emit" (func (param "name" string) (param "payload" (list u8))
            (result (result (error $error)))))))"#;
