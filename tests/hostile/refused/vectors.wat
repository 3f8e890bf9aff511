;; Computes with 128 bits.
;;
;;! contract vectors (…/vectors.wasm): not an acceptable component: SIMD support is not enabled (at offset 0x2a)
(component
  (core module $m  (func (export "run") (drop (v128.const i64x2 0 0))))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (export "run" (func $run)))
