//! Telling the operator of a panic: a component has no standard error to print it to.

/// From here on a panic's message is a line of the log. The plugin stops all the same.
pub fn report_panics() {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| {
        crate::host::log(crate::host::Level::Error, &panic.to_string());
    }));
}
