//! Components that no toolchain would make.

use std::fs;
use std::time::{Duration, Instant};

use tessallite_up::plugin::{Error, Limits};
use tessallite_up_tests::place;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

use crate::plugin::Bench;

/// A plugin whose functions trap, in a world with more imports, and with more in its module.
fn crafted(world: &str, more: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_dir(place::root().join("wit")).unwrap();
    let mut package = contract;
    if !world.is_empty() {
        package = resolve.push_str("evil.wit", world).unwrap();
    }
    let world = resolve.select_world(&[package], None).unwrap();
    let mangling = ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync);
    let module = dummy_module(&resolve, world, mangling);
    let text = wasmprinter::print_bytes(&module).unwrap();
    let end = text.rfind(')').unwrap();
    let mut module = wat::parse_str(format!("{}{more})", &text[..end])).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

fn bench(component: &[u8]) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("crafted.wasm");
    fs::write(&file, component).unwrap();
    Bench::of(&file, Limits { execution: Duration::from_millis(500), ..Limits::default() })
}

async fn fails(more: &str) -> Error {
    let bench = bench(&crafted("", more));
    bench.component.describe(&bench.caller()).await.unwrap_err()
}

#[tokio::test]
async fn a_plugin_that_only_traps_traps() {
    assert!(matches!(fails("").await, Error::Trap { call: "describe", .. }));
}

#[tokio::test]
async fn a_huge_table_is_refused() {
    let error = fails("(table 100000000 funcref)").await;
    let Error::Limit { why, .. } = error else { panic!("{error:?}") };
    assert_eq!(why, "it asked for larger tables than its limit");
}

#[tokio::test]
async fn a_table_that_grows_without_end_is_refused() {
    let grow = "(table $t 1 funcref) (func $grow (loop $again \
                (drop (table.grow $t (ref.null func) (i32.const 100000))) (br $again))) \
                (start $grow)";
    let began = Instant::now();
    let error = fails(grow).await;
    assert!(matches!(error, Error::Limit { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn many_tables_and_memories_are_refused() {
    let error = fails(&"(table 1 funcref)".repeat(99)).await;
    assert!(matches!(error, Error::Trap { .. } | Error::Limit { .. }), "{error:?}");
}

#[tokio::test]
async fn an_endless_start_is_ended() {
    let error = fails("(func $spin (loop $again (br $again))) (start $spin)").await;
    let Error::Limit { why, .. } = error else { panic!("{error:?}") };
    assert_eq!(why, "it ran for longer than its limit");
}

/// It is no part of the contract: nobody is behind it.
#[tokio::test]
async fn an_unknown_import_is_told_and_leads_nowhere() {
    let world = "package evil:things@1.0.0; interface reach { out: func(); } \
                 world plugin { include tessallite:up/plugin@0.1.0; import reach; }";
    let bench = bench(&crafted(world, ""));
    let foreign: Vec<&str> = bench.component.foreign_imports().collect();
    assert_eq!(foreign, ["evil:things/reach@1.0.0"]);
    let error = bench.component.describe(&bench.caller()).await.unwrap_err();
    assert!(matches!(error, Error::Trap { .. }), "{error:?}");
}
