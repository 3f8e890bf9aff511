;; A module, which has no types.
;;
;;! contract no-component (…/no-component.wasm): not an acceptable component: failed to parse WebAssembly module: attempted to parse a wasm module with a component parser
(module (func (export "run")))
