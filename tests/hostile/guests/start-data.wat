;; A data segment that does not fit its memory, and an element that does not fit its table: what
;; traps before anything runs.
;;
;;> Run => 500: the contract trapped
(component
  (core module $m
    (memory 1)
    (data (i32.const 65535) "xx")
    (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
