;; Answers when it likes.
;;
;;! contract exports-async (…/exports-async.wasm): not an acceptable component: async component functions require the component model async feature (at offset 0x3f)
(component
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run async (canon lift (core func $i "run")))
  (export "run" (func $run)))
