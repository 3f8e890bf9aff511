;; Begins with more memory than a contract may have.
;;
;;! contract large-memory (…/large-memory.wasm): not an acceptable component: module memory does not fit in pooling allocator requirements: memory index 0 is unsupported in this pooling allocator configuration: memory has a minimum byte size of 16842752 which exceeds the limit of 0x1000000 bytes
(component
  (core module $m (memory 257) (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
