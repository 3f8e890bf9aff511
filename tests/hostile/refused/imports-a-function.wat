;; Wants a function that is in no interface.
;;
;;! contract imports-a-function (…/imports-a-function.wasm): the component imports now, which contracts cannot have: hosts offer the interfaces of cordon:contract@1.0.0, other contracts what they export
(component
  (import "now" (func (result u64)))
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
