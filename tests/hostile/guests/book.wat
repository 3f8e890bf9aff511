;; A contract that `caller` calls: writes a record, and then ends well, or badly.
;;
;;> Read => 200: absent
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
  (core module $memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $m))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $get (canon lower (func $state "get") (memory $m) (realloc $realloc)))
  (core func $put (canon lower (func $state "put") (memory $m) (realloc $realloc)))
  (core module $main
    (import "host" "memory" (memory 1))
    (import "host" "get" (func $get (param i32 i32 i32)))
    (import "host" "put" (func $put (param i32 i32 i32 i32 i32)))
    (data (i32.const 0) "page")
    (data (i32.const 16) "written by book")
    (data (i32.const 32) "absent")
    (data (i32.const 48) "written, and refused")
    (func $deep (call $deep))
    ;; Writes, and ends as its argument says: 0 well, 1 with a refusal, 2 with a trap, 3 never, 4 at the
    ;; end of its stack, 5 with an answer that points nowhere. The answer lies at 256.
    (func (export "write") (param $end i32) (result i32)
      (call $put (i32.const 0) (i32.const 4) (i32.const 16) (i32.const 15) (i32.const 256))
      (if (i32.eq (local.get $end) (i32.const 1)) (then
        (i32.store8 (i32.const 256) (i32.const 1))
        (i32.store8 (i32.const 260) (i32.const 3))
        (i32.store (i32.const 264) (i32.const 48))
        (i32.store (i32.const 268) (i32.const 20))))
      (if (i32.eq (local.get $end) (i32.const 2)) (then unreachable))
      (if (i32.eq (local.get $end) (i32.const 3)) (then (loop (br 0))))
      (if (i32.eq (local.get $end) (i32.const 4)) (then (call $deep)))
      (if (i32.eq (local.get $end) (i32.const 5)) (then (return (i32.const -4))))
      (i32.const 256))
    ;; What the record holds, or `absent`.
    (func (export "read") (result i32)
      (call $get (i32.const 0) (i32.const 4) (i32.const 256))
      (if (i32.load8_u (i32.const 260))
        (then (return (i32.const 264))))
      (i32.store (i32.const 264) (i32.const 32))
      (i32.store (i32.const 268) (i32.const 6))
      (i32.const 264))
    (func (export "take") (param i32 i32)))
  (core instance $i (instantiate $main (with "host" (instance
    (export "memory" (memory $m)) (export "get" (func $get)) (export "put" (func $put))))))
  (func $write (param "end" u32) (result (result (error $error)))
    (canon lift (core func $i "write") (memory $m)))
  (func $read (result string) (canon lift (core func $i "read") (memory $m)))
  (instance $book (export "write" (func $write)) (export "read" (func $read)))
  (export "hostile:book/book@1.0.0" (instance $book))
  ;; What has many names is small in a contract's memory, and large where it is handed over.
  (type $flags' (flags "a0" "a1" "a2" "a3" "a4" "a5" "a6" "a7" "a8" "a9" "b0" "b1" "b2" "b3" "b4" "b5"
    "b6" "b7" "b8" "b9" "c0" "c1" "c2" "c3" "c4" "c5" "c6" "c7" "c8" "c9" "d0" "d1"))
  (export $flags "flags" (type $flags'))
  (func $take (param "all" (list $flags))
    (canon lift (core func $i "take") (memory $m) (realloc $realloc)))
  (instance $names (export "flags" (type $flags)) (export "take" (func $take)))
  (export "hostile:book/names@1.0.0" (instance $names)))
