;; One instance of it would take more slots than a call may, and with many more all that there are.
;;
;;! contract many-instances (…/many-instances.wasm): not an acceptable component: The component transitively contains 5 core module instances, which exceeds the configured maximum of 4 in the pooling allocator
(component
  (core module $m (func (export "run")))
  (core instance $i0 (instantiate $m))
  (core instance $i1 (instantiate $m))
  (core instance $i2 (instantiate $m))
  (core instance $i3 (instantiate $m))
  (core instance $i4 (instantiate $m))
  (func $run (canon lift (core func $i0 "run")))
  (export "run" (func $run)))
