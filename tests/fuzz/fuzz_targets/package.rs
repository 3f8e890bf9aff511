#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cordon_fuzz_bodies::package(bytes));
