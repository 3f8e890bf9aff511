;; Cannot be called.
;;
;;! contract exports-nothing (…/exports-nothing.wasm): the component exports no function
(component)
