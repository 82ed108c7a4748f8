#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    tessallite_up::fuzzing::component_loader(data);
});
