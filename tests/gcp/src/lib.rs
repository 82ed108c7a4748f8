//! A Google Cloud that behaves like the real one, as far as an upgrade meets it.
