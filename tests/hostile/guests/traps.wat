;; Traps in every place, with a record written and an event emitted before. Also recurses, through
;; itself and through the host and back.
;;
;;> First => 500: the contract trapped
;;> AfterWriting => 500: the contract trapped
;;> OutOfBounds => 500: the contract trapped
;;> Division => 500: the contract trapped
;;> Conversion => 500: the contract trapped
;;> NullCall => 500: the contract trapped
;;> WrongCall => 500: the contract trapped
;; In `realloc`, which the host calls to hand over an answer of its own (the number says what `realloc`
;; does: 1 traps, 2 calls the host, 3 never ends, 4 calls itself, 5 asks the host for something that
;; makes it call `realloc` again), or the argument of this call.
;;> Answered ["0"] => 200: 9
;;> Answered ["1"] => 500: the contract trapped
;;> Answered ["2"] => 500: the contract trapped
;;> Answered ["3"] => 500: the contract ran out of fuel
;;> Answered ["4"] => 500: the contract exhausted its call stack
;;> Answered ["5"] => 500: the contract trapped
;;> Argument ["text"] => 500: the contract trapped
;;> ArgumentCalls ["text"] => 500: the contract trapped
;;> ArgumentSpins ["text"] => 500: the contract ran out of fuel
;; After its answer was taken.
;;> Afterwards => 500: the contract trapped
;;> AfterwardsCalls => 500: the contract trapped
;;> AfterwardsSpins => 500: the contract ran out of fuel
;; To the end of the stack: directly, through a table, with a call of the host at every step, and with
;; the host's answer as the last straw.
;;> Deep => 500: the contract exhausted its call stack
;;> DeepThroughTable => 500: the contract exhausted its call stack
;;> DeepWithHost => 500: the contract exhausted its call stack
(component
  (import "cordon:contract/types@1.0.0" (instance $types
    (type $cases (variant (case "invalid" string) (case "forbidden" string)
      (case "not-found" string) (case "conflict" string)))
    (export "error" (type (eq $cases)))))
  (alias export $types "error" (type $error))
  (import "cordon:contract/context@1.0.0" (instance $context
    (export "channel" (func (result string)))))
  (import "cordon:contract/state@1.0.0" (instance $state
    (export "error" (type $e (eq $error)))
    (export "put" (func (param "key" string) (param "value" (list u8)) (result (result (error $e)))))))
  (import "cordon:contract/events@1.0.0" (instance $events
    (export "error" (type $e (eq $error)))
    (export "emit" (func (param "name" string) (param "payload" (list u8)) (result (result (error $e)))))))
  ;; `realloc` comes first, because the host's functions are made with it; what it calls of the host
  ;; reaches it through the table.
  (core module $memory
    (type $to-host (func (param i32)))
    (memory (export "memory") 2)
    (table (export "table") 4 funcref)
    (global $does (export "does") (mut i32) (i32.const 0))
    (func $deeper (call $deeper))
    (func $realloc (export "realloc") (param i32 i32 i32 i32) (result i32)
      (if (i32.eq (global.get $does) (i32.const 1)) (then unreachable))
      (if (i32.eq (global.get $does) (i32.const 2))
        (then (call_indirect (type $to-host) (i32.const 512) (i32.const 1))))
      (if (i32.eq (global.get $does) (i32.const 3)) (then (loop (br 0))))
      (if (i32.eq (global.get $does) (i32.const 4)) (then (call $deeper)))
      (if (i32.eq (global.get $does) (i32.const 5))
        (then (call_indirect (type $to-host) (i32.const 512) (i32.const 0))))
      (i32.const 1024))
    (func (export "realloc-traps") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "realloc-calls") (param i32 i32 i32 i32) (result i32)
      (call_indirect (type $to-host) (i32.const 512) (i32.const 0)) (i32.const 1024))
    (func (export "realloc-spins") (param i32 i32 i32 i32) (result i32)
      (loop (br 0)) (i32.const 1024)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $m))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $channel (canon lower (func $context "channel") (memory $m) (realloc $realloc)))
  (core func $put (canon lower (func $state "put") (memory $m) (realloc $realloc)))
  (core func $emit (canon lower (func $events "emit") (memory $m) (realloc $realloc)))
  (core module $main
    (type $to-host (func (param i32)))
    (type $other (func (param i64) (result i64)))
    (import "memory" "memory" (memory 2))
    (import "memory" "table" (table $table 4 funcref))
    (import "memory" "does" (global $does (mut i32)))
    (import "host" "channel" (func $channel (param i32)))
    (import "host" "put" (func $put (param i32 i32 i32 i32 i32)))
    (import "host" "emit" (func $emit (param i32 i32 i32 i32 i32)))
    (elem (i32.const 0) $channel $write $through-table)
    (data (i32.const 0) "trapped")
    ;; Writes a record and emits an event.
    (func $write (param i32)
      (call $put (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 7) (i32.const 512))
      (call $emit (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 7) (i32.const 512)))
    (func (export "first") unreachable)
    (func (export "after-writing") (call $write (i32.const 0)) unreachable)
    (func (export "out-of-bounds") (call $write (i32.const 0))
      (drop (i32.load (i32.const 131070))))
    (func (export "division") (call $write (i32.const 0))
      (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))
    (func (export "conversion") (call $write (i32.const 0))
      (drop (i32.trunc_f64_s (f64.const nan))))
    (func (export "null-call") (call $write (i32.const 0))
      (call_indirect (type $to-host) (i32.const 0) (i32.const 3)))
    (func (export "wrong-call") (call $write (i32.const 0))
      (drop (call_indirect (type $other) (i64.const 0) (i32.const 0))))
    ;; Answers how many bytes the channel's name has.
    (func (export "answered") (param $does i32) (result i32)
      (call $write (i32.const 0))
      (global.set $does (local.get $does))
      (call $channel (i32.const 512))
      (i32.load (i32.const 516)))
    (func (export "argument") (param i32 i32))
    (func (export "afterwards") (result i32) (call $write (i32.const 0)) (i32.const 1))
    (func (export "traps") (param i32) unreachable)
    (func (export "calls") (param i32) (call $write (i32.const 0)))
    (func (export "spins") (param i32) (loop (br 0)))
    (func $deep (export "deep") (call $deep))
    (func $through-table (export "deep-through-table") (param i32)
      (call_indirect (type $to-host) (i32.const 0) (i32.const 2)))
    (func (export "deep-table") (call $write (i32.const 0)) (call $through-table (i32.const 0)))
    (func $with-host (export "deep-with-host")
      (call $channel (i32.const 512)) (call $with-host)))
  (core instance $i (instantiate $main
    (with "memory" (instance $memory))
    (with "host" (instance
      (export "channel" (func $channel)) (export "put" (func $put)) (export "emit" (func $emit))))))
  (func $first (canon lift (core func $i "first")))
  (export "first" (func $first))
  (func $after-writing (canon lift (core func $i "after-writing")))
  (export "after-writing" (func $after-writing))
  (func $out-of-bounds (canon lift (core func $i "out-of-bounds")))
  (export "out-of-bounds" (func $out-of-bounds))
  (func $division (canon lift (core func $i "division")))
  (export "division" (func $division))
  (func $conversion (canon lift (core func $i "conversion")))
  (export "conversion" (func $conversion))
  (func $null-call (canon lift (core func $i "null-call")))
  (export "null-call" (func $null-call))
  (func $wrong-call (canon lift (core func $i "wrong-call")))
  (export "wrong-call" (func $wrong-call))
  (func $answered (param "does" u32) (result u32) (canon lift (core func $i "answered")))
  (export "answered" (func $answered))
  (func $argument (param "text" string)
    (canon lift (core func $i "argument") (memory $m) (realloc (core func $memory "realloc-traps"))))
  (export "argument" (func $argument))
  (func $argument-calls (param "text" string)
    (canon lift (core func $i "argument") (memory $m) (realloc (core func $memory "realloc-calls"))))
  (export "argument-calls" (func $argument-calls))
  (func $argument-spins (param "text" string)
    (canon lift (core func $i "argument") (memory $m) (realloc (core func $memory "realloc-spins"))))
  (export "argument-spins" (func $argument-spins))
  (func $afterwards (result u32) (canon lift (core func $i "afterwards") (post-return (core func $i "traps"))))
  (export "afterwards" (func $afterwards))
  (func $afterwards-calls (result u32) (canon lift (core func $i "afterwards") (post-return (core func $i "calls"))))
  (export "afterwards-calls" (func $afterwards-calls))
  (func $afterwards-spins (result u32) (canon lift (core func $i "afterwards") (post-return (core func $i "spins"))))
  (export "afterwards-spins" (func $afterwards-spins))
  (func $deep (canon lift (core func $i "deep")))
  (export "deep" (func $deep))
  (func $deep-through-table (canon lift (core func $i "deep-table")))
  (export "deep-through-table" (func $deep-through-table))
  (func $deep-with-host (canon lift (core func $i "deep-with-host")))
  (export "deep-with-host" (func $deep-with-host)))
