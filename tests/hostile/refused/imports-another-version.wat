;; Wants the host's records by another version of our package.
;;
;;! contract imports-another-version (…/imports-another-version.wasm): the component imports cordon:contract/state@1.0.1, which contracts cannot have: hosts offer the interfaces of cordon:contract@1.0.0, other contracts what they export
(component
  (import "cordon:contract/state@1.0.1" (instance (export "get" (func (param "key" string) (result string)))))
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
