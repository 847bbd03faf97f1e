#![no_main]

#[allow(dead_code)]
#[path = "../readers.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| readers::review(data, instances()));

/// Three things that the log may speak of.
fn instances() -> Vec<holoscope::scene::Instance> {
    let text = include_str!("instances.json");
    serde_json::from_str(text).expect("instances")
}
