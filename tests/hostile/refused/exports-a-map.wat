;; Answers a type that is newer than this host.
;;
;;! contract exports-a-map (…/exports-a-map.wasm): not an acceptable component: Maps require the component model map feature (at offset 0x50)
(component
  (core module $m (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (map string u8)) (canon lift (core func $i "run") (memory (core memory $i "memory"))))
  (export "run" (func $run)))
