;; Wants an interface that no contract of the channel exports.
;;
;;! channel providers: contract imports-no-contract: the component calls hostile:nobody/api@1.0.0, which no contract on this channel exports
(component
  (import "hostile:nobody/api@1.0.0" (instance (export "run" (func))))
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
