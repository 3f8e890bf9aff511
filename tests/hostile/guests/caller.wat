;; Calls `book` in the middle of its own writes, and does not mind when it refuses. What `book` is to
;; do is handed through.
;;
;;> Around ["2"] => 500: the contract trapped
;;> Around ["3"] => 500: the contract ran out of fuel
;;> Around ["4"] => 500: the contract exhausted its call stack
;;> Around ["5"] => 500: the contract trapped
;;> Read => 200: absent
;;> HandOver ["1000"] => 200:
;;> HandOver ["20000"] => 500: the contract trapped
;;> HandOver ["600000"] => 500: the contract trapped
;;> HandOver ["4294967295"] => 500: the contract trapped
(component
  (import "cordon:contract/types@1.0.0" (instance $types
    (type $cases (variant (case "invalid" string) (case "forbidden" string)
      (case "not-found" string) (case "conflict" string)))
    (export "error" (type (eq $cases)))))
  (alias export $types "error" (type $error))
  (import "cordon:contract/state@1.0.0" (instance $state
    (export "error" (type $e (eq $error)))
    (export "get" (func (param "key" string) (result (result (option (list u8)) (error $e)))))
    (export "put" (func (param "key" string) (param "value" (list u8)) (result (result (error $e)))))))
  (import "hostile:book/book@1.0.0" (instance $book
    (export "error" (type $e (eq $error)))
    (export "write" (func (param "end" u32) (result (result (error $e)))))))
  (import "hostile:book/names@1.0.0" (instance $names
    (type $flags' (flags "a0" "a1" "a2" "a3" "a4" "a5" "a6" "a7" "a8" "a9" "b0" "b1" "b2" "b3" "b4" "b5"
    "b6" "b7" "b8" "b9" "c0" "c1" "c2" "c3" "c4" "c5" "c6" "c7" "c8" "c9" "d0" "d1"))
    (export "flags" (type $flags (eq $flags')))
    (export "take" (func (param "all" (list $flags))))))
  (core module $memory
    (memory (export "memory") 64)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $m))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $get (canon lower (func $state "get") (memory $m) (realloc $realloc)))
  (core func $put (canon lower (func $state "put") (memory $m) (realloc $realloc)))
  (core func $take (canon lower (func $names "take") (memory $m)))
  (core func $write (canon lower (func $book "write") (memory $m) (realloc $realloc)))
  (core module $main
    (import "host" "memory" (memory 64))
    (import "host" "take" (func $take (param i32 i32)))
    (import "host" "get" (func $get (param i32 i32 i32)))
    (import "host" "put" (func $put (param i32 i32 i32 i32 i32)))
    (import "host" "write" (func $write (param i32 i32)))
    (data (i32.const 0) "before")
    (data (i32.const 16) "after")
    (data (i32.const 32) "page")
    (data (i32.const 48) "absent")
    ;; A key of the name that `book` uses, too: it must stay the own one. Answers 0, or 1 when `book`
    ;; has refused.
    (func (export "around") (param $end i32) (result i32)
      (call $put (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 6) (i32.const 256))
      (call $put (i32.const 32) (i32.const 4) (i32.const 0) (i32.const 6) (i32.const 256))
      (call $write (local.get $end) (i32.const 512))
      (call $put (i32.const 16) (i32.const 5) (i32.const 16) (i32.const 5) (i32.const 256))
      (i32.load8_u (i32.const 512)))
    ;; What the record of that name holds, or `absent`.
    (func (export "read") (result i32)
      (call $get (i32.const 32) (i32.const 4) (i32.const 256))
      (if (i32.load8_u (i32.const 260))
        (then (return (i32.const 264))))
      (i32.store (i32.const 264) (i32.const 48))
      (i32.store (i32.const 268) (i32.const 6))
      (i32.const 264))
    ;; So many values with all their flags.
    (func (export "hand-over") (param $count i32)
      (memory.fill (i32.const 65536) (i32.const 255) (i32.const 4128768))
      (call $take (i32.const 65536) (local.get $count))))
  (core instance $i (instantiate $main (with "host" (instance
    (export "memory" (memory $m)) (export "get" (func $get)) (export "put" (func $put))
    (export "write" (func $write)) (export "take" (func $take))))))
  (func $around (param "end" u32) (result u32) (canon lift (core func $i "around")))
  (export "around" (func $around))
  (func $read (result string) (canon lift (core func $i "read") (memory $m)))
  (export "read" (func $read))
  (func $hand-over (param "count" u32) (canon lift (core func $i "hand-over")))
  (export "hand-over" (func $hand-over)))
