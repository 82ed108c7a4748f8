#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    tessallite_up::fuzzing::plan_file(data);
});
