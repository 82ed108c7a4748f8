//! Tests against the real engine.
