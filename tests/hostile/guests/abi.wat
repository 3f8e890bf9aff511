;; Breaks the canonical ABI: texts that are none, pointers that point nowhere, numbers of cases that
;; are not there; in what it hands to the host, in what it answers, and in `realloc`.
;;
;; To the host.
;;> KeyIsNoText => 500: the contract trapped
;;> Key ["0", "3"] => 200:
;;> Key ["65536", "1"] => 500: the contract trapped
;;> Key ["4294967280", "32"] => 500: the contract trapped
;;> Key ["1", "4294967295"] => 500: the contract trapped
;;> Answer ["64"] => 200:
;;> Answer ["66"] => 500: the contract trapped
;;> Answer ["65532"] => 500: the contract trapped
;;> Answer ["4294967292"] => 500: the contract trapped
;;> Range ["1"] => 200:
;;> Range ["2"] => 500: the contract trapped
;;> Range ["4294967295"] => 500: the contract trapped
;;> After ["0"] => 200:
;;> After ["2"] => 500: the contract trapped
;;> Arguments ["64", "0"] => 200:
;;> Arguments ["65", "0"] => 500: the contract trapped
;;> Arguments ["65536", "1"] => 500: the contract trapped
;;> Arguments ["64", "536870912"] => 500: the contract trapped
;; Of `realloc`, in which the host puts the argument.
;;> Placed ["text"] => 200: 4
;;> PlacedBeyond ["text"] => 500: the contract trapped
;;> PlacedAround ["text"] => 500: the contract trapped
;;> PlacedAskew ["[1, 2]"] => 500: the contract trapped
;; In its answer.
;;> Text ["128", "4"] => 200: text
;;> Text ["132", "3"] => 500: the contract trapped
;;> Text ["135", "1"] => 500: the contract trapped
;;> Text ["136", "4"] => 500: the contract trapped
;;> Utf16 ["144", "2"] => 200: hi
;;> Utf16 ["145", "1"] => 500: the contract trapped
;;> Utf16 ["148", "1"] => 500: the contract trapped
;;> Latin1 ["140", "1"] => 200: é
;;> Latin1 ["144", "2147483650"] => 200: hi
;;> Latin1 ["148", "2147483649"] => 500: the contract trapped
;;> AnswerAt ["2"] => 500: the contract trapped
;;> AnswerAt ["65532"] => 500: the contract trapped
;;> AnswerAt ["4294967292"] => 500: the contract trapped
;;> Character ["120"] => 200: "x"
;;> Character ["55296"] => 500: the contract trapped
;;> Character ["1114112"] => 500: the contract trapped
;;> Enum ["1"] => 200: "b"
;;> Enum ["2"] => 500: the contract trapped
;;> Option ["2"] => 500: the contract trapped
;;> Result ["0"] => 200:
;;> Result ["2"] => 500: the contract trapped
;;> Refusal ["4"] => 500: the contract trapped
;; What has too many bits is cut, as the canonical ABI has it.
;;> Boolean ["2"] => 200: true
;;> Small ["300"] => 200: 44
;;> Signed ["200"] => 200: -56
;;> Flags ["4294967295"] => 200: ["a","b","c"]
(component
  (import "cordon:contract/types@1.0.0" (instance $types
    (type $cases (variant (case "invalid" string) (case "forbidden" string)
      (case "not-found" string) (case "conflict" string)))
    (export "error" (type (eq $cases)))))
  (alias export $types "error" (type $error))
  (import "cordon:contract/state@1.0.0" (instance $state
    (export "error" (type $e (eq $error)))
    (type $entry' (record (field "key" string) (field "value" (list u8))))
    (export "entry" (type $entry (eq $entry')))
    (type $range' (variant (case "prefix" string) (case "between" (tuple string string))))
    (export "key-range" (type $range (eq $range')))
    (type $page' (record (field "entries" (list $entry)) (field "next" (option string))))
    (export "page" (type $page (eq $page')))
    (export "delete" (func (param "key" string) (result (result (error $e)))))
    (export "scan" (func (param "range" $range) (param "limit" u32) (param "after" (option string))
      (result (result $page (error $e)))))))
  (import "cordon:contract/ledger-query@1.0.0" (instance $ledger-query
    (export "error" (type $e (eq $error)))
    (type $block' (record (field "number" u64) (field "hash" (list u8))))
    (export "block" (type $block (eq $block')))
    (type $answer' (record (field "payload" (list u8)) (field "origin" (option $block))))
    (export "answer" (type $answer (eq $answer')))
    (export "query" (func (param "channel" string) (param "contract" string) (param "function" string)
      (param "arguments" (list (list u8))) (result (result $answer (error $e)))))))
  (core module $memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "beyond") (param i32 i32 i32 i32) (result i32) (i32.const 65534))
    (func (export "around") (param i32 i32 i32 i32) (result i32) (i32.const -2))
    (func (export "askew") (param i32 i32 i32 i32) (result i32) (i32.const 1025)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $m))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $delete (canon lower (func $state "delete") (memory $m) (realloc $realloc)))
  (core func $scan (canon lower (func $state "scan") (memory $m) (realloc $realloc)))
  (core func $query (canon lower (func $ledger-query "query") (memory $m) (realloc $realloc)))
  (core module $main
    (import "host" "memory" (memory 1))
    (import "host" "delete" (func $delete (param i32 i32 i32)))
    (import "host" "scan" (func $scan (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "query" (func $query (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (data (i32.const 0) "key")
    ;; A text, a surrogate, the first byte of two, four bytes beyond the last character.
    (data (i32.const 128) "text\ed\a0\80\c3\f4\90\80\80\e9")
    ;; In UTF-16: `hi`, and half of a pair.
    (data (i32.const 144) "h\00i\00\00\d8")
    (func (export "key-is-no-text") (call $delete (i32.const 132) (i32.const 3) (i32.const 64)))
    (func (export "key") (param i32 i32) (call $delete (local.get 0) (local.get 1) (i32.const 64)))
    (func (export "answer") (param i32) (call $delete (i32.const 0) (i32.const 3) (local.get 0)))
    (func (export "range") (param i32)
      (call $scan (local.get 0) (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 3)
        (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)))
    (func (export "after") (param i32)
      (call $scan (i32.const 0) (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 3)
        (i32.const 1) (local.get 0) (i32.const 0) (i32.const 3) (i32.const 64)))
    (func (export "arguments") (param i32 i32)
      (call $query (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 3)
        (local.get 0) (local.get 1) (i32.const 64)))
    (func (export "length") (param i32 i32) (result i32) (local.get 1))
    (func (export "text") (param i32 i32) (result i32)
      (i32.store (i32.const 256) (local.get 0))
      (i32.store (i32.const 260) (local.get 1))
      (i32.const 256))
    (func (export "number") (param i32) (result i32) (local.get 0))
    ;; A case at 256, and an empty text behind it.
    (func (export "case") (param i32) (result i32)
      (i32.store8 (i32.const 256) (local.get 0))
      (i32.const 256))
    (func (export "refusal") (param i32) (result i32)
      (i32.store8 (i32.const 256) (i32.const 1))
      (i32.store8 (i32.const 260) (local.get 0))
      (i32.const 256)))
  (core instance $i (instantiate $main (with "host" (instance (export "memory" (memory $m))
    (export "delete" (func $delete)) (export "scan" (func $scan)) (export "query" (func $query))))))
  (func $key-is-no-text (canon lift (core func $i "key-is-no-text")))
  (export "key-is-no-text" (func $key-is-no-text))
  (func $key (param "at" u32) (param "length" u32) (canon lift (core func $i "key")))
  (export "key" (func $key))
  (func $answer (param "at" u32) (canon lift (core func $i "answer")))
  (export "answer" (func $answer))
  (func $range (param "case" u32) (canon lift (core func $i "range")))
  (export "range" (func $range))
  (func $after (param "case" u32) (canon lift (core func $i "after")))
  (export "after" (func $after))
  (func $arguments (param "at" u32) (param "count" u32) (canon lift (core func $i "arguments")))
  (export "arguments" (func $arguments))
  (func $placed (param "text" string) (result u32)
    (canon lift (core func $i "length") (memory $m) (realloc $realloc)))
  (export "placed" (func $placed))
  (func $placed-beyond (param "text" string) (result u32)
    (canon lift (core func $i "length") (memory $m) (realloc (core func $memory "beyond"))))
  (export "placed-beyond" (func $placed-beyond))
  (func $placed-around (param "text" string) (result u32)
    (canon lift (core func $i "length") (memory $m) (realloc (core func $memory "around"))))
  (export "placed-around" (func $placed-around))
  (func $placed-askew (param "numbers" (list u32)) (result u32)
    (canon lift (core func $i "length") (memory $m) (realloc (core func $memory "askew"))))
  (export "placed-askew" (func $placed-askew))
  (func $text (param "at" u32) (param "length" u32) (result string)
    (canon lift (core func $i "text") (memory $m)))
  (export "text" (func $text))
  (func $utf16 (param "at" u32) (param "length" u32) (result string)
    (canon lift (core func $i "text") (memory $m) string-encoding=utf16))
  (export "utf16" (func $utf16))
  (func $latin1 (param "at" u32) (param "length" u32) (result string)
    (canon lift (core func $i "text") (memory $m) string-encoding=latin1+utf16))
  (export "latin1" (func $latin1))
  (func $answer-at (param "at" u32) (result string) (canon lift (core func $i "number") (memory $m)))
  (export "answer-at" (func $answer-at))
  (func $character (param "number" u32) (result char) (canon lift (core func $i "number")))
  (export "character" (func $character))
  (type $enum' (enum "a" "b"))
  (export $enum "letters" (type $enum'))
  (func $enum (param "number" u32) (result $enum) (canon lift (core func $i "number")))
  (export "enum" (func $enum))
  (func $option (param "number" u32) (result (option string)) (canon lift (core func $i "case") (memory $m)))
  (export "option" (func $option))
  (func $result (param "number" u32) (result (result (error $error))) (canon lift (core func $i "case") (memory $m)))
  (export "result" (func $result))
  (func $refusal (param "number" u32) (result (result (error $error))) (canon lift (core func $i "refusal") (memory $m)))
  (export "refusal" (func $refusal))
  (func $boolean (param "number" u32) (result bool) (canon lift (core func $i "number")))
  (export "boolean" (func $boolean))
  (func $small (param "number" u32) (result u8) (canon lift (core func $i "number")))
  (export "small" (func $small))
  (func $signed (param "number" u32) (result s8) (canon lift (core func $i "number")))
  (export "signed" (func $signed))
  (type $flags' (flags "a" "b" "c"))
  (export $flags "some" (type $flags'))
  (func $flags (param "number" u32) (result $flags) (canon lift (core func $i "number")))
  (export "flags" (func $flags)))
