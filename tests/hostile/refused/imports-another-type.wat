;; Wants a function of the host with other types than it has.
;;
;;! channel providers: contract imports-another-type: not an acceptable component: component imports instance `cordon:contract/context@1.0.0`, but a matching implementation was not found in the linker: instance export `channel` has the wrong type: type mismatch with results: expected `string` found `u64`
(component
  (import "cordon:contract/context@1.0.0" (instance (export "channel" (func (result u64)))))
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
