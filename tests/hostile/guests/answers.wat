;; Answers far more than anybody can take, or what is no answer at all.
;; An answer lies at 0: where it points, and how long it says it is.
;;
;;> Text ["65536", "3145728"] => 200: 3145728 bytes
;;> Text ["65536", "3145729"] => 500: the contract exceeded its limit of bytes of the result
;;> Text ["65536", "16000000"] => 500: the contract exceeded its limit of bytes of the result
;;> Text ["65536", "4294967295"] => 500: the contract trapped
;;> Text ["4294967295", "1"] => 500: the contract trapped
;; On the host a byte of a list costs 40, so that is where large ones end.
;;> Bytes ["65536", "1500000"] => 200: 2000002 bytes
;;> Bytes ["65536", "1700000"] => 500: the contract trapped
;;> Bytes ["65536", "4294967295"] => 500: the contract trapped
;; One text of 64 KiB, named over and over.
;;> Texts ["65536", "1000"] => 500: the contract exceeded its limit of bytes of the result
;;> Texts ["65536", "1040"] => 500: the contract trapped
;;> Texts ["65538", "1"] => 500: the contract trapped
;; A control character has one byte here and six in JSON.
;;> Controls ["500000"] => 200: 3000004 bytes
;;> Controls ["600000"] => 500: the contract exceeded its limit of bytes of the result
;;> Controls ["16000000"] => 500: the contract exceeded its limit of bytes of the result
;; Lists of empty lists, of records with the shortest names, of flags.
;;> Lists ["65536", "1000000"] => 200: 3000001 bytes
;;> Lists ["65536", "1100000"] => 500: the contract exceeded its limit of bytes of the result
;;> Lists ["65536", "1900000"] => 500: the contract trapped
;;> Records ["65536", "10000"] => 200: 380001 bytes
;;> Records ["65536", "500000"] => 500: the contract trapped
;;> Flags ["65536", "1000"] => 200: 162001 bytes
;;> Flags ["65536", "1000000"] => 500: the contract trapped
;;> Refuse ["65536", "3"] => 400: xxx
;;> Refuse ["65536", "3145729"] => 500: the contract exceeded its limit of bytes of the result
;;> Refuse ["65536", "4294967295"] => 500: the contract trapped
(component
  (import "cordon:contract/types@1.0.0" (instance $types
    (type $cases (variant (case "invalid" string) (case "forbidden" string)
      (case "not-found" string) (case "conflict" string)))
    (export "error" (type (eq $cases)))))
  (alias export $types "error" (type $error))
  (core module $m
    (memory (export "memory") 256)
    ;; Zeroes at 0, an `x` everywhere else.
    (func $fill (param $byte i32)
      (memory.fill (i32.const 65536) (local.get $byte) (i32.const 16711680)))
    (func $answer (param $at i32) (param $length i32) (result i32)
      (i32.store (i32.const 0) (local.get $at))
      (i32.store (i32.const 4) (local.get $length))
      (i32.const 0))
    (func (export "text") (param i32 i32) (result i32)
      (call $fill (i32.const 120))
      (call $answer (local.get 0) (local.get 1)))
    (func (export "zeroes") (param i32 i32) (result i32)
      (call $answer (local.get 0) (local.get 1)))
    (func (export "ones") (param i32 i32) (result i32)
      (call $fill (i32.const 255))
      (call $answer (local.get 0) (local.get 1)))
    ;; A list of one text of control characters.
    (func (export "controls") (param i32) (result i32)
      (call $fill (i32.const 1))
      (i32.store (i32.const 16) (i32.const 65536))
      (i32.store (i32.const 20) (local.get 0))
      (call $answer (i32.const 16) (i32.const 1)))
    ;; A list at 65536 (or beside it) of texts, each of 64 KiB of zeroes at 1 MiB.
    (func (export "texts") (param $at i32) (param $count i32) (result i32) (local $i i32)
      (loop $next
        (i32.store (i32.add (i32.const 65536) (i32.mul (local.get $i) (i32.const 8))) (i32.const 1048576))
        (i32.store (i32.add (i32.const 65540) (i32.mul (local.get $i) (i32.const 8))) (i32.const 65536))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (local.get $count))))
      (call $answer (local.get $at) (local.get $count)))
    (func (export "refuse") (param i32 i32) (result i32)
      (call $fill (i32.const 120))
      (i32.store8 (i32.const 0) (i32.const 1))
      (i32.store (i32.const 8) (local.get 0))
      (i32.store (i32.const 12) (local.get 1))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (type $flags (flags "a0" "a1" "a2" "a3" "a4" "a5" "a6" "a7" "a8" "a9" "b0" "b1" "b2" "b3" "b4" "b5"
    "b6" "b7" "b8" "b9" "c0" "c1" "c2" "c3" "c4" "c5" "c6" "c7" "c8" "c9" "d0" "d1"))
  (export $named-flags "some" (type $flags))
  (type $record (record (field "a" bool) (field "b" bool) (field "c" bool) (field "d" bool)))
  (export $named-record "tiny" (type $record))
  (func $text (param "at" u32) (param "length" u32) (result string)
    (canon lift (core func $i "text") (memory $memory)))
  (export "text" (func $text))
  (func $bytes (param "at" u32) (param "length" u32) (result (list u8))
    (canon lift (core func $i "text") (memory $memory)))
  (export "bytes" (func $bytes))
  (func $texts (param "at" u32) (param "count" u32) (result (list string))
    (canon lift (core func $i "texts") (memory $memory)))
  (export "texts" (func $texts))
  (func $controls (param "length" u32) (result (list string))
    (canon lift (core func $i "controls") (memory $memory)))
  (export "controls" (func $controls))
  (func $lists (param "at" u32) (param "count" u32) (result (list (list u8)))
    (canon lift (core func $i "zeroes") (memory $memory)))
  (export "lists" (func $lists))
  (func $many-flags (param "at" u32) (param "count" u32) (result (list $named-flags))
    (canon lift (core func $i "ones") (memory $memory)))
  (export "flags" (func $many-flags))
  (func $records (param "at" u32) (param "count" u32) (result (list $named-record))
    (canon lift (core func $i "ones") (memory $memory)))
  (export "records" (func $records))
  (func $refuse (param "at" u32) (param "length" u32) (result (result (error $error)))
    (canon lift (core func $i "refuse") (memory $memory)))
  (export "refuse" (func $refuse)))
