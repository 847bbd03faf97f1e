#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holoscope::input::fuzz::npz(data));
