;; Has memory without end.
;;
;;! contract wide-memory (…/wide-memory.wasm): not an acceptable component: memory64 must be enabled for 64-bit memories (at offset 0x1f)
(component
  (core module $m (memory i64 1) (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
