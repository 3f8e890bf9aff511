;; Begins with a larger table than a contract may have.
;;
;;! contract large-table (…/large-table.wasm): not an acceptable component: module table does not fit in pooling allocator requirements: table index 0 has a minimum element size of 10001 which exceeds the limit of 10000
(component
  (core module $m (table 10001 funcref) (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
