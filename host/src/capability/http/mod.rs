//! The http capability: GET and changes by HTTP, to the installation's own services and
//! to what the plugin may reach beside them.

pub mod client;
mod host;
