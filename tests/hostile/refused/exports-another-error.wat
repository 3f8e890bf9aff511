;; Refuses in its own way.
;;
;;! contract exports-another-error (…/exports-another-error.wasm): the exported function run cannot be called: a result's error must be the error of cordon:contract/types
(component
  (core module $m (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result (error string))) (canon lift (core func $i "run") (memory (core memory $i "memory"))))
  (export "run" (func $run)))
