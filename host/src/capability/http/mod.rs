//! The http capability: GET and changes by HTTP, to the installation's own services and
//! to addresses that the configuration lists.

pub mod client;
mod host;
