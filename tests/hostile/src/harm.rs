//! What a plugin can do to the host without asking it for anything forbidden.

use std::collections::HashMap;
use std::hint::black_box;

use tessallite_up_sdk::docker;
use tessallite_up_sdk::host::{self, GateState, Level};

const MIB: usize = 1 << 20;

/// Does nothing where the action is none of these.
pub fn do_harm(action: &str) {
    match action {
        "loop" => spin(),
        "memory" => hoard(),
        "recursion" => drop(black_box(deeper(0, black_box(u64::MAX)))),
        "large-recursion" => drop(black_box(deeper_and_larger(0))),
        "trap" => core::arch::wasm32::unreachable(),
        "panic" => panic!("the vendor's own words"),
        "sleep" => oversleep(),
        "log" => host::log(Level::Info, &terrible_text(10 * MIB)),
        "huge-log" => host::log(Level::Info, &terrible_text(64 * MIB)),
        "gate" => host::report_gate(&terrible_text(MIB), &GateState::Failed(terrible_text(MIB))),
        "flood" => (0..10_000_000).for_each(|n| host::log(Level::Info, &n.to_string())),
        "call-for-ever" => ask_for_ever(),
        "resolve-many" => ask_many(),
        "environment" => drop(black_box(std::env::vars().count())),
        "file" => drop(black_box(std::fs::read("/etc/hostname"))),
        "clock" => drop(black_box(std::time::SystemTime::now())),
        "random" => drop(black_box(HashMap::from([(1, 2)]))),
        "print" => println!("to standard output"),
        _ => {}
    }
}

fn spin() {
    let mut turns = 0_u64;
    while black_box(turns) < u64::MAX {
        turns += 1;
    }
}

fn hoard() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; MIB]));
    }
}

/// Its variables are all the machine's own: nothing of it is in the plugin's memory.
fn deeper(depth: u64, end: u64) -> u64 {
    if depth == end {
        return depth;
    }
    deeper(depth + 1, end).wrapping_mul(31) ^ depth
}

fn deeper_and_larger(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    if depth == u64::MAX {
        return 0;
    }
    frame[0] + deeper_and_larger(black_box(depth + 1)) + frame[31]
}

fn oversleep() {
    loop {
        host::sleep(60_000);
    }
}

fn ask_for_ever() {
    while host::elapsed() < u64::MAX {}
}

/// Clears the screen, reverses what follows, begins a line of its own.
fn terrible_text(bytes: usize) -> String {
    format!("\u{1b}[2J\u{202e}\r\n\u{9b}31m\0{}", "x".repeat(bytes))
}

fn ask_many() {
    let references = vec!["localhost/hostile:1".to_owned(); 1_000];
    let answers = docker::resolve(&references).len();
    assert_eq!(answers, references.len(), "answers to as many questions");
}
