;; Hands the host keys, values, events and arguments far beyond every limit, and calls it without end.
;; What the host refuses, the contract refuses with.
;;
;; Arguments: length of the key, length of the value, how many.
;;> Put ["0", "0", "1"] => 400: a key of 0 bytes cannot be: keys have 1 to 1024 bytes
;;> Put ["1024", "1048576", "1"] => 200:
;;> Put ["1025", "0", "1"] => 400: a key of 1025 bytes cannot be: keys have 1 to 1024 bytes
;;> Put ["8", "1048577", "1"] => 400: a value of 1048577 bytes cannot be: values have at most 1048576
;;> Put ["15000000", "0", "1"] => 400: a key of 15000000 bytes cannot be: keys have 1 to 1024 bytes
;;> Put ["8", "15000000", "1"] => 400: a value of 15000000 bytes cannot be: values have at most 1048576
;;> Put ["15000000", "15000000", "3"] => 400: a key of 15000000 bytes cannot be: keys have 1 to 1024 bytes
;;> Put ["8", "1048576", "4"] => 500: the contract exceeded its limit of bytes written
;;> Put ["1024", "1", "4096"] => 500: the contract exceeded its limit of bytes written
;;> Put ["8", "0", "20000"] => 200:
;;> Put ["8", "0", "20001"] => 500: the contract exceeded its limit of keys read or written
;;> Delete ["0", "1"] => 400: a key of 0 bytes cannot be: keys have 1 to 1024 bytes
;;> Delete ["8", "20001"] => 500: the contract exceeded its limit of keys read or written
;;> Get ["1025", "1"] => 400: a key of 1025 bytes cannot be: keys have 1 to 1024 bytes
;;> Get ["8", "20001"] => 500: the contract exceeded its limit of keys read or written
;; Reads its own largest value until the host has handed out all that it may.
;;> GetAgain ["1048576", "60"] => 200:
;;> GetAgain ["1048576", "70"] => 500: the contract exceeded its limit of bytes exchanged with the host
;; Arguments: length of the name, length of the payload, how many.
;;> Emit ["0", "0", "1"] => 400: the name of an event has 1 to 128 bytes
;;> Emit ["129", "0", "1"] => 400: the name of an event has 1 to 128 bytes
;;> Emit ["1", "65537", "1"] => 400: the payload of an event has at most 65536 bytes
;;> Emit ["128", "65536", "64"] => 200:
;;> Emit ["1", "0", "65"] => 400: a transaction emits at most 64 events
;; Arguments: entries of a page, length of the prefix, how often.
;;> Scan ["0", "0", "1"] => 400: a page of 0 entries cannot be: pages have 1 to 1000
;;> Scan ["1001", "0", "1"] => 400: a page of 1001 entries cannot be: pages have 1 to 1000
;;> Scan ["4294967295", "0", "1"] => 400: a page of 4294967295 entries cannot be: pages have 1 to 1000
;;> Scan ["1000", "1025", "1"] => 400: the bounds of a scan have at most 1024 bytes
;;> Scan ["1000", "15000000", "1"] => 400: the bounds of a scan have at most 1024 bytes
;;> Scan ["1000", "1024", "3000"] => 200:
;;> Scan ["1000", "8", "30000"] => 500: the contract exceeded its limit of keys read or written
;; Arguments: length of an argument of the function asked, how many of them.
;;> Ask ["1", "1"] => 404: there is no contract x on a channel x here
;;> Ask ["1048576", "60"] => 404: there is no contract x on a channel x here
;;> Ask ["1048576", "64"] => 500: the contract trapped
;;> Ask ["0", "1000000"] => 404: there is no contract x on a channel x here
;;> Ask ["0", "1900000"] => 404: there is no contract x on a channel x here
;;> Calls ["1000000"] => 500: the contract ran out of fuel
(component
  (import "cordon:contract/types@1.0.0" (instance $types
    (type $cases (variant (case "invalid" string) (case "forbidden" string)
      (case "not-found" string) (case "conflict" string)))
    (export "error" (type (eq $cases)))))
  (alias export $types "error" (type $error))
  (import "cordon:contract/context@1.0.0" (instance $context
    (export "channel" (func (result string)))))
  (import "cordon:contract/state@1.0.0" (instance $state
    (export "error" (type $e (eq $error)))
    (type $entry' (record (field "key" string) (field "value" (list u8))))
    (export "entry" (type $entry (eq $entry')))
    (type $range' (variant (case "prefix" string) (case "between" (tuple string string))))
    (export "key-range" (type $range (eq $range')))
    (type $page' (record (field "entries" (list $entry)) (field "next" (option string))))
    (export "page" (type $page (eq $page')))
    (export "get" (func (param "key" string) (result (result (option (list u8)) (error $e)))))
    (export "put" (func (param "key" string) (param "value" (list u8)) (result (result (error $e)))))
    (export "delete" (func (param "key" string) (result (result (error $e)))))
    (export "scan" (func (param "range" $range) (param "limit" u32) (param "after" (option string))
      (result (result $page (error $e)))))))
  (import "cordon:contract/events@1.0.0" (instance $events
    (export "error" (type $e (eq $error)))
    (export "emit" (func (param "name" string) (param "payload" (list u8)) (result (result (error $e)))))))
  (import "cordon:contract/ledger-query@1.0.0" (instance $ledger-query
    (export "error" (type $e (eq $error)))
    (type $block' (record (field "number" u64) (field "hash" (list u8))))
    (export "block" (type $block (eq $block')))
    (type $answer' (record (field "payload" (list u8)) (field "origin" (option $block))))
    (export "answer" (type $answer (eq $answer')))
    (export "query" (func (param "channel" string) (param "contract" string) (param "function" string)
      (param "arguments" (list (list u8))) (result (result $answer (error $e)))))))
  ;; 16 MiB, of which the host's answers may have the last. It forgets them with every new one.
  (core module $memory
    (memory (export "memory") 256)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 15728640)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $m))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $channel (canon lower (func $context "channel") (memory $m) (realloc $realloc)))
  (core func $get (canon lower (func $state "get") (memory $m) (realloc $realloc)))
  (core func $put (canon lower (func $state "put") (memory $m) (realloc $realloc)))
  (core func $delete (canon lower (func $state "delete") (memory $m) (realloc $realloc)))
  (core func $scan (canon lower (func $state "scan") (memory $m) (realloc $realloc)))
  (core func $emit (canon lower (func $events "emit") (memory $m) (realloc $realloc)))
  (core func $query (canon lower (func $ledger-query "query") (memory $m) (realloc $realloc)))
  (core module $main
    (import "host" "memory" (memory 256))
    (import "host" "channel" (func $channel (param i32)))
    (import "host" "get" (func $get (param i32 i32 i32)))
    (import "host" "put" (func $put (param i32 i32 i32 i32 i32)))
    (import "host" "delete" (func $delete (param i32 i32 i32)))
    (import "host" "scan" (func $scan (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "emit" (func $emit (param i32 i32 i32 i32 i32)))
    (import "host" "query" (func $query (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    ;; The host's answers and ours lie at 16: 0 or 1, at 20 which refusal, at 24 and 28 its text. Keys,
    ;; values, names and payloads are all `x`, from 64 Ki on.
    (func $prepare
      (memory.fill (i32.const 65536) (i32.const 120) (i32.const 15663104)))
    (func $refused (result i32) (i32.load8_u (i32.const 16)))
    ;; Begins the key with a number in five letters.
    (func $number (param $n i32) (local $at i32)
      (local.set $at (i32.const 65536))
      (loop $digits
        (i32.store8 (local.get $at) (i32.add (i32.const 97) (i32.and (local.get $n) (i32.const 15))))
        (local.set $n (i32.shr_u (local.get $n) (i32.const 4)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $digits (i32.lt_u (local.get $at) (i32.const 65541)))))
    (func (export "put") (param $key i32) (param $value i32) (param $times i32) (result i32)
      (call $prepare)
      (loop $again
        (call $number (local.get $times))
        (call $put (i32.const 65536) (local.get $key) (i32.const 65536) (local.get $value) (i32.const 16))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (i32.and (i32.eqz (call $refused)) (i32.gt_u (local.get $times) (i32.const 0)))))
      (i32.const 16))
    (func (export "delete") (param $key i32) (param $times i32) (result i32)
      (call $prepare)
      (loop $again
        (call $number (local.get $times))
        (call $delete (i32.const 65536) (local.get $key) (i32.const 16))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (i32.and (i32.eqz (call $refused)) (i32.gt_u (local.get $times) (i32.const 0)))))
      (i32.const 16))
    (func (export "get") (param $key i32) (param $times i32) (result i32)
      (call $prepare)
      (loop $again
        (call $number (local.get $times))
        (call $get (i32.const 65536) (local.get $key) (i32.const 16))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (i32.and (i32.eqz (call $refused)) (i32.gt_u (local.get $times) (i32.const 0)))))
      (i32.const 16))
    (func (export "get-again") (param $value i32) (param $times i32) (result i32)
      (call $prepare)
      (call $put (i32.const 65536) (i32.const 8) (i32.const 65536) (local.get $value) (i32.const 16))
      (loop $again
        (call $get (i32.const 65536) (i32.const 8) (i32.const 16))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (i32.and (i32.eqz (call $refused)) (i32.gt_u (local.get $times) (i32.const 0)))))
      (i32.const 16))
    (func (export "emit") (param $name i32) (param $payload i32) (param $times i32) (result i32)
      (call $prepare)
      (loop $again
        (call $emit (i32.const 65536) (local.get $name) (i32.const 65536) (local.get $payload) (i32.const 16))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (i32.and (i32.eqz (call $refused)) (i32.gt_u (local.get $times) (i32.const 0)))))
      (i32.const 16))
    (func (export "scan") (param $limit i32) (param $prefix i32) (param $times i32) (result i32)
      (call $prepare)
      (loop $again
        (call $scan (i32.const 0) (i32.const 65536) (local.get $prefix) (i32.const 0) (i32.const 0)
          (local.get $limit) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (i32.and (i32.eqz (call $refused)) (i32.gt_u (local.get $times) (i32.const 0)))))
      (i32.const 16))
    ;; Every argument is the same bytes. The list of them lies behind 1 MiB of letters.
    (func (export "ask") (param $length i32) (param $count i32) (result i32) (local $i i32) (local $at i32)
      (call $prepare)
      (loop $next
        (local.set $at (i32.add (i32.const 1114112) (i32.mul (local.get $i) (i32.const 8))))
        (br_if $next
          (if (result i32) (i32.lt_u (local.get $at) (i32.const 15728632))
            (then
              (i32.store (local.get $at) (i32.const 65536))
              (i32.store offset=4 (local.get $at) (local.get $length))
              (local.set $i (i32.add (local.get $i) (i32.const 1)))
              (i32.lt_u (local.get $i) (local.get $count)))
            (else (i32.const 0)))))
      (call $query (i32.const 65536) (i32.const 1) (i32.const 65536) (i32.const 1)
        (i32.const 65536) (i32.const 1) (i32.const 1114112) (local.get $i) (i32.const 16))
      ;; This answer's refusal lies four bytes further than ours.
      (memory.copy (i32.const 20) (i32.const 24) (i32.const 12))
      (i32.const 16))
    (func (export "calls") (param $times i32)
      (loop $again
        (call $channel (i32.const 16))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (local.get $times)))))
  (core instance $i (instantiate $main (with "host" (instance
    (export "memory" (memory $m)) (export "channel" (func $channel)) (export "get" (func $get))
    (export "put" (func $put)) (export "delete" (func $delete)) (export "scan" (func $scan))
    (export "emit" (func $emit)) (export "query" (func $query))))))
  (func $put' (param "key" u32) (param "value" u32) (param "times" u32) (result (result (error $error)))
    (canon lift (core func $i "put") (memory $m)))
  (export "put" (func $put'))
  (func $delete' (param "key" u32) (param "times" u32) (result (result (error $error)))
    (canon lift (core func $i "delete") (memory $m)))
  (export "delete" (func $delete'))
  (func $get' (param "key" u32) (param "times" u32) (result (result (error $error)))
    (canon lift (core func $i "get") (memory $m)))
  (export "get" (func $get'))
  (func $get-again (param "value" u32) (param "times" u32) (result (result (error $error)))
    (canon lift (core func $i "get-again") (memory $m)))
  (export "get-again" (func $get-again))
  (func $emit' (param "name" u32) (param "payload" u32) (param "times" u32) (result (result (error $error)))
    (canon lift (core func $i "emit") (memory $m)))
  (export "emit" (func $emit'))
  (func $scan' (param "limit" u32) (param "prefix" u32) (param "times" u32) (result (result (error $error)))
    (canon lift (core func $i "scan") (memory $m)))
  (export "scan" (func $scan'))
  (func $ask (param "length" u32) (param "count" u32) (result (result (error $error)))
    (canon lift (core func $i "ask") (memory $m)))
  (export "ask" (func $ask))
  (func $calls (param "times" u32) (canon lift (core func $i "calls")))
  (export "calls" (func $calls)))
