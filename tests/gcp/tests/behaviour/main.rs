//! The fake as a client meets it, over HTTP.

mod credentials;
mod database;
mod etags;
mod faults;
mod images;
mod operator;
mod revisions;
mod serving;
mod traffic;
