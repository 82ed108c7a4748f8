//! A component whose compiling takes too much: it is done in a process of its own, and that
//! process never outlives what it is for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tessallite_up::engine::Nothing;
use tessallite_up::plugin::{Caller, Compiler, Component, Error, Limits, Result, Runtime, Source};
use tessallite_up_tests::process::{run, wait_for};
use tessallite_up_tests::{Program, place};
use wasm_encoder::{
    BlockType, CodeSection, Function, FunctionSection, Module, ModuleSection, TypeSection, ValType,
};

use crate::guide;

/// To begin, on a machine that is busy.
const BEGINNING: Duration = Duration::from_secs(20);
/// To end; compiling takes longer than this.
const END: Duration = Duration::from_secs(3);
/// Compiling so many functions takes far longer than any of these tests.
const FOR_EVER: u32 = 30_000;

/// A component of functions that have much to be compiled in them.
fn component(functions: u32) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    let (mut declared, mut code) = (FunctionSection::new(), CodeSection::new());
    let body = body();
    for _ in 0..functions {
        declared.function(0);
        code.function(&body);
    }
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&code);
    let mut component = wasm_encoder::Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}

fn body() -> Function {
    const VARIABLES: u32 = 8;
    let mut function = Function::new([(VARIABLES - 1, ValType::I32)]);
    let mut code = function.instructions();
    for n in 0..100 {
        let variable = |distance: u32| (n + distance) % VARIABLES;
        code.local_get(variable(0)).i32_const(7).i32_mul().local_tee(variable(3));
        code.if_(BlockType::Empty).local_get(variable(5)).local_set(variable(1)).end();
    }
    code.local_get(0).end();
    function
}

struct Bench {
    dir: tempfile::TempDir,
    limits: Limits,
}

impl Bench {
    /// Its processes are known by this much memory, which no other test gives.
    fn new(memory_bytes: u64) -> Self {
        let limits = Limits { compile_memory_bytes: memory_bytes, ..Limits::default() };
        Self { dir: tempfile::tempdir().unwrap(), limits }
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let file = self.dir.path().join("plugin.wasm");
        fs::write(&file, bytes).unwrap();
        file
    }

    async fn load(&self, bytes: &[u8]) -> Result<Component> {
        let source = Source::File(self.file(bytes));
        let compiler = Compiler::Program(place::program());
        Runtime::new(None, self.limits.clone(), compiler)?.load(&source).await
    }

    async fn fail(&self, bytes: &[u8]) -> Error {
        self.load(bytes).await.err().expect("it is not to be loaded")
    }

    fn mark(&self) -> String {
        format!("--memory-bytes={}", self.limits.compile_memory_bytes)
    }
}

/// The directory in `/proc` of the process that was started with this argument.
fn compiling(mark: &str) -> Option<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    processes.into_iter().find(|process| {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == mark.as_bytes())
    })
}

/// It has read all and compiles: it has more than one thread. Before, it would end when
/// nobody writes to it any more.
fn is_busy(process: &Path) -> bool {
    fs::read_dir(process.join("task")).is_ok_and(|threads| threads.count() > 1)
}

fn wait_until_it_compiles(mark: &str) -> PathBuf {
    let busy = || compiling(mark).filter(|process| is_busy(process));
    wait_for("the process that compiles", BEGINNING, busy)
}

fn wait_until_nothing_compiles(mark: &str) {
    wait_for("its end", END, || compiling(mark).is_none().then_some(()));
}

#[tokio::test]
async fn what_the_process_compiles_is_loaded() {
    let bytes = fs::read(guide::build("plugins/examples/announce")).unwrap();
    let component = Bench::new(2_000_000_001).load(&bytes).await.unwrap();
    let caller = Caller { services: None, conduct: Arc::new(Nothing), run: String::new() };
    assert_eq!(component.describe(&caller).await.unwrap().name, "announce");
}

#[tokio::test]
async fn a_component_that_compiles_for_ever_is_given_up() {
    let mut bench = Bench::new(2_000_000_002);
    bench.limits.compile = Duration::from_secs(1);
    let bytes = component(FOR_EVER);
    let began = Instant::now();
    let error = bench.fail(&bytes).await;
    assert!(matches!(error, Error::CompileTime { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(compiling(&bench.mark()), None);
}

/// Its clock does not stand still while it waits for a parent that was stopped.
#[test]
fn the_process_ends_by_itself_when_its_time_is_over() {
    let bench = Bench::new(2_000_000_003);
    let program = place::program();
    let script = format!(
        "exec {} compile-plugin {} --seconds=1 --parent=$PPID <{} >/dev/null",
        program.display(),
        bench.mark(),
        bench.file(&component(FOR_EVER)).display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    assert_eq!(signal, Some(rustix::process::Signal::XCPU.as_raw()), "{output:?}");
}

#[tokio::test]
async fn a_component_that_needs_too_much_memory_is_refused() {
    let error = Bench::new(190_000_004).fail(&component(FOR_EVER)).await;
    assert!(matches!(error, Error::CompileMemory { .. }), "{error:?}");
}

#[tokio::test]
async fn a_component_of_too_much_code_is_refused() {
    let mut bench = Bench::new(2_000_000_005);
    bench.limits.compiled_bytes = 1_000;
    let error = bench.fail(&component(10)).await;
    assert!(matches!(error, Error::CompiledTooLarge { .. }), "{error:?}");
    wait_until_nothing_compiles(&bench.mark());
}

#[tokio::test]
async fn what_is_wrong_with_a_component_is_told() {
    let bench = Bench::new(2_000_000_006);
    let error = bench.fail(b"\0asm\x0d\0\x01\0\x1b[2J").await;
    let Error::Damaged { source, .. } = error else { panic!("{error:?}") };
    let text = source.to_string();
    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
}

/// On one thread: loading has to give way.
#[tokio::test(flavor = "current_thread")]
async fn whoever_gives_up_waiting_ends_the_process() {
    let bench = Bench::new(2_000_000_007);
    let bytes = component(FOR_EVER);
    let seen = async {
        while !compiling(&bench.mark()).is_some_and(|process| is_busy(&process)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        _ = bench.load(&bytes) => panic!("it is not to be loaded"),
        () = seen => {}
    }
    wait_until_nothing_compiles(&bench.mark());
}

/// The program, which has begun to compile a component, and how its process is known.
fn begin(dir: &Path) -> (tessallite_up_tests::program::Running, String) {
    let file = dir.join("plugin.wasm");
    fs::write(&file, component(FOR_EVER)).unwrap();
    let program = Program::new(dir).args(["plugin", "inspect", "./plugin.wasm"]);
    let running = program.env("PLANTED", "a secret").start();
    let mark = format!("--parent={}", running.id());
    (running, mark)
}

#[test]
fn the_process_has_no_surroundings_and_is_limited() {
    let dir = tempfile::tempdir().unwrap();
    let (_running, mark) = begin(dir.path());
    let process = wait_until_it_compiles(&mark);
    let environment = fs::read_to_string(process.join("environ")).unwrap();
    assert!(environment.starts_with("RAYON_NUM_THREADS="), "{environment:?}");
    assert_eq!(environment.matches('=').count(), 1, "{environment:?}");
    for (name, limit) in [
        ("address space", "2147483648"),
        ("file size", "0"),
        ("open files", "16"),
        ("core file size", "0"),
    ] {
        wait_for(name, BEGINNING, || (limits(&process, name) == [limit, limit]).then_some(()));
    }
}

/// The soft one and the hard one.
fn limits(process: &Path, name: &str) -> Vec<String> {
    let limits = fs::read_to_string(process.join("limits")).unwrap();
    let name = format!("Max {name} ");
    let words = limits.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
    words.split_whitespace().take(2).map(str::to_owned).collect()
}

#[test]
fn an_interrupt_ends_the_program_and_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mark) = begin(dir.path());
    wait_until_it_compiles(&mark);
    let interrupted = Instant::now();
    running.interrupt();
    assert_eq!(running.finish().code, None, "a signal has ended it");
    assert!(interrupted.elapsed() < Duration::from_secs(5), "{:?}", interrupted.elapsed());
    wait_until_nothing_compiles(&mark);
}

#[test]
fn the_process_does_not_outlive_a_program_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mark) = begin(dir.path());
    wait_until_it_compiles(&mark);
    // Kills it.
    drop(running);
    wait_until_nothing_compiles(&mark);
}

/// Another version was installed after it was started, and the two do not understand each
/// other: what starts is what runs.
#[test]
fn a_program_that_is_replaced_meanwhile_compiles_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (copy, pipe) = (dir.path().join("copy"), dir.path().join("plugin.wasm"));
    run(Command::new("cp").arg(place::program()).arg(&copy));
    run(Command::new("mkfifo").arg(&pipe));
    let bytes = fs::read(guide::build("plugins/examples/announce")).unwrap();
    // Open for both, it does not wait for a reader, and no reader sees its end too early.
    let mut writer = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let program = Program::new(dir.path()).copy_at(&copy);
    let running = program.args(["plugin", "inspect", "./plugin.wasm"]).start();
    fs::remove_file(&copy).unwrap();
    fs::write(&copy, "#!/bin/sh\nexit 99\n").unwrap();
    std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
    running.finish().code(0).says("announce");
}
