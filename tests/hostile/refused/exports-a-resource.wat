;; A client could not hand over what this function takes.
;;
;;! contract exports-a-resource (…/exports-a-resource.wasm): the exported function run cannot be called: it uses a resource
(component
  (type $door' (resource (rep i32)))
  (core module $m (func (export "run") (param i32)))
  (core instance $i (instantiate $m))
  (export $door "door" (type $door'))
  (func $run (param "door" (own $door)) (canon lift (core func $i "run")))
  (export "run" (func $run)))
