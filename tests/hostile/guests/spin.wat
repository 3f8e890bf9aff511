;; Never ends.
;;
;;> Loop => 500: the contract ran out of fuel
;;> Calls => 500: the contract ran out of fuel
;;> Fill => 500: the contract ran out of fuel
;;> Copy => 500: the contract ran out of fuel
(component
  (core module $m
    (memory 256)
    (func $nothing)
    (func (export "loop") (loop (br 0)))
    (func (export "calls") (loop (call $nothing) (br 0)))
    ;; All of the largest memory at once, over and over.
    (func (export "fill")
      (loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 16777216)) (br 0)))
    (func (export "copy")
      (loop (memory.copy (i32.const 0) (i32.const 1) (i32.const 16777215)) (br 0))))
  (core instance $i (instantiate $m))
  (func $loop (canon lift (core func $i "loop")))
  (export "loop" (func $loop))
  (func $calls (canon lift (core func $i "calls")))
  (export "calls" (func $calls))
  (func $fill (canon lift (core func $i "fill")))
  (export "fill" (func $fill))
  (func $copy (canon lift (core func $i "copy")))
  (export "copy" (func $copy)))
