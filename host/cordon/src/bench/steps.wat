;; Nothing but computing: for what counting instructions and canonical NaNs cost where there is much of
;; both. `steps.wasm` is this file in binary; a test holds it to that.
(component
  (core module $m
    (func (export "run") (param $left i32) (result f64)
      (local $sum f64)
      (local.set $sum (f64.const 1))
      (loop $again
        (local.set $sum
          (f64.sqrt (f64.add (f64.mul (local.get $sum) (f64.const 1.5)) (f64.div (f64.const 3) (local.get $sum)))))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $again (local.get $left)))
      (local.get $sum)))
  (core instance $i (instantiate $m))
  (func (export "run") (param "steps" u32) (result f64) (canon lift (core func $i "run"))))
