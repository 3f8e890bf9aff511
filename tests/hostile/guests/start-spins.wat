;; Its start function never ends: that is part of the call, and pays with the call's fuel.
;;
;;> Run => 500: the contract ran out of fuel
(component
  (core module $m
    (func $start (loop (br 0)))
    (start $start)
    (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
