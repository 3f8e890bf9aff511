;; Wants a clock.
;;
;;! contract imports-wasi (…/imports-wasi.wasm): the component imports wasi:clocks/monotonic-clock@0.2.0, which contracts cannot have: hosts offer the interfaces of cordon:contract@1.0.0, other contracts what they export
(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result u64)))))
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
