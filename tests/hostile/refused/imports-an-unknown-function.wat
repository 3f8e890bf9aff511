;; Wants a function that the host's interface does not have.
;;
;;! channel providers: contract imports-an-unknown-function: not an acceptable component: component imports instance `cordon:contract/context@1.0.0`, but a matching implementation was not found in the linker: instance export `secret` has the wrong type: function implementation is missing
(component
  (import "cordon:contract/context@1.0.0" (instance (export "secret" (func (result string)))))
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
