;; Wants an interface of our package that is not there.
;;
;;! contract imports-an-unknown-interface (…/imports-an-unknown-interface.wasm): the component imports cordon:contract/network@1.0.0, which contracts cannot have: hosts offer the interfaces of cordon:contract@1.0.0, other contracts what they export
(component
  (import "cordon:contract/network@1.0.0" (instance (export "send" (func (param "text" string)))))
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
