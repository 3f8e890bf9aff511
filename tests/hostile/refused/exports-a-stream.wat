;; Its answer never ends.
;;
;;! contract exports-a-stream (…/exports-a-stream.wasm): not an acceptable component: `stream` requires the component model async feature (at offset 0x42)
(component
  (core module $m (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (stream u8)) (canon lift (core func $i "run")))
  (export "run" (func $run)))
