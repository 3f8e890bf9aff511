;; Leaves a pattern in all memory and in the whole table, and looks for what others left there.
;;
;; `plant` says how it ends: 0 answers, 1 traps, anything else never ends. Both answer how many
;; places hold the pattern; of what somebody else planted none may be found.
;;> Plant ["0"] => 200: 2107152
;;> Plant ["1"] => 500: the contract trapped
;;> Plant ["2"] => 500: the contract ran out of fuel
;;> Scan => 200: 0
(component
  (core module $m
    (memory 1)
    (table $t 10000 funcref)
    (func $pattern)
    (elem declare func $pattern)
    (func $all-memory (drop (memory.grow (i32.sub (i32.const 256) (memory.size)))))
    ;; Words of memory that are not zero, and elements of the table that are not null.
    (func $count (result i32) (local $at i32) (local $found i32)
      (call $all-memory)
      (loop $words
        (local.set $found (i32.add (local.get $found)
          (i64.ne (i64.load (local.get $at)) (i64.const 0))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $words (i32.lt_u (local.get $at) (i32.const 16777216))))
      (local.set $at (i32.const 0))
      (loop $elements
        (local.set $found (i32.add (local.get $found)
          (i32.eqz (ref.is_null (table.get $t (local.get $at))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $elements (i32.lt_u (local.get $at) (i32.const 10000))))
      (local.get $found))
    (func (export "plant") (param $end i32) (result i32)
      (call $all-memory)
      (memory.fill (i32.const 0) (i32.const 0xca) (i32.const 16777216))
      (table.fill $t (i32.const 0) (ref.func $pattern) (i32.const 10000))
      (if (i32.eq (local.get $end) (i32.const 1)) (then unreachable))
      (if (local.get $end) (then (loop (br 0))))
      (call $count))
    (func (export "scan") (result i32) (call $count)))
  (core instance $i (instantiate $m))
  (func $plant (param "end" u32) (result u32) (canon lift (core func $i "plant")))
  (export "plant" (func $plant))
  (func $scan (result u32) (canon lift (core func $i "scan")))
  (export "scan" (func $scan)))
