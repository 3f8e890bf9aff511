;; Its answer comes later.
;;
;;! contract exports-a-future (…/exports-a-future.wasm): not an acceptable component: `future` requires the component model async feature (at offset 0x42)
(component
  (core module $m (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (future u8)) (canon lift (core func $i "run")))
  (export "run" (func $run)))
