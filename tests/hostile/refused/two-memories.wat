;; Begins with two memories.
;;
;;! contract two-memories (…/two-memories.wasm): not an acceptable component: multiple memories (at offset 0x1e)
(component
  (core module $m (memory 1) (memory 1) (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
