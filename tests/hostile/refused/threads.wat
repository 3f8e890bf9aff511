;; Has memory that threads share.
;;
;;! contract threads (…/threads.wasm): not an acceptable component: threads must be enabled for shared memories (at offset 0x1f)
(component
  (core module $m (memory 1 1 shared) (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
