;; Takes all memory and all table elements that it can get, and more.
;;
;; Answers how many pages and elements it has in the end.
;;> Grow ["1"] => 200: 256
;;> Grow ["255"] => 200: 256
;;> Grow ["256"] => 200: 1
;;> Grow ["65535"] => 200: 1
;;> GrowTable ["1"] => 200: 10000
;;> GrowTable ["9999"] => 200: 10000
;;> GrowTable ["10000"] => 200: 1
;;> GrowTable ["16777216"] => 200: 1
;;> GrowTable ["4294967295"] => 500: the contract ran out of fuel
;; Beyond the end by one byte, and around the end of the address space: every byte and element is paid
;; for before it is looked whether it is there.
;;> Fill ["0", "65536"] => 200:
;;> Fill ["0", "65537"] => 500: the contract trapped
;;> Fill ["65536", "1"] => 500: the contract trapped
;;> Fill ["0", "16777216"] => 500: the contract trapped
;;> Fill ["4294967295", "1"] => 500: the contract trapped
;;> Fill ["0", "4294967295"] => 500: the contract ran out of fuel
;;> Copy ["0", "65537"] => 500: the contract trapped
;;> Copy ["4294967295", "16777216"] => 500: the contract trapped
;;> Copy ["4294967295", "4294967295"] => 500: the contract ran out of fuel
;;> FillTable ["1", "1"] => 500: the contract trapped
;;> FillTable ["0", "16777216"] => 500: the contract trapped
;;> FillTable ["0", "4294967295"] => 500: the contract ran out of fuel
(component
  (core module $m
    (memory 1)
    (table $t 1 funcref)
    (func (export "grow") (param $step i32) (result i32)
      (loop $more
        (br_if $more (i32.ne (memory.grow (local.get $step)) (i32.const -1))))
      ;; What it was given is there: the last byte can be written.
      (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 1))
      (memory.size))
    (func (export "grow-table") (param $step i32) (result i32)
      (loop $more
        (br_if $more (i32.ne (table.grow $t (ref.null func) (local.get $step)) (i32.const -1))))
      (table.size $t))
    (func (export "fill") (param $at i32) (param $length i32)
      (memory.fill (local.get $at) (i32.const 7) (local.get $length)))
    (func (export "copy") (param $at i32) (param $length i32)
      (memory.copy (i32.const 0) (local.get $at) (local.get $length)))
    (func (export "fill-table") (param $at i32) (param $length i32)
      (table.fill $t (local.get $at) (ref.null func) (local.get $length))))
  (core instance $i (instantiate $m))
  (func $grow (param "step" u32) (result u32) (canon lift (core func $i "grow")))
  (export "grow" (func $grow))
  (func $grow-table (param "step" u32) (result u32) (canon lift (core func $i "grow-table")))
  (export "grow-table" (func $grow-table))
  (func $fill (param "at" u32) (param "length" u32) (canon lift (core func $i "fill")))
  (export "fill" (func $fill))
  (func $copy (param "at" u32) (param "length" u32) (canon lift (core func $i "copy")))
  (export "copy" (func $copy))
  (func $fill-table (param "at" u32) (param "length" u32) (canon lift (core func $i "fill-table")))
  (export "fill-table" (func $fill-table)))
