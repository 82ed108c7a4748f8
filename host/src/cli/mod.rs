//! The command line.

mod apply;
mod approval;
mod approve;
mod args;
mod audit;
mod backup;
mod compile_plugin;
mod completions;
mod confinement;
mod display;
mod doctor;
mod error;
pub mod exit_code;
mod history;
mod interrupt;
mod key;
mod load;
mod lockdown;
mod plan;
mod plugin;
mod policy;
mod recorded;
mod resume;
mod rollback;
mod session;
mod status;
mod support_bundle;
mod unlock;
mod upgrade;

use std::io::Write as _;
use std::process::ExitCode;

use args::{Args, Command};
use error::{Failure, Result};

/// The whole program.
pub fn main() -> ExitCode {
    let args = match Args::parse_from_line(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are among the errors; a broken pipe is nobody's business.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit_code::USAGE
            } else {
                exit_code::DONE
            });
        }
    };
    let outcome = run(args);
    ExitCode::from(outcome.unwrap_or_else(|failure| {
        let _ = std::io::stderr().write_all(failure.message().as_bytes());
        failure.code
    }))
}

fn run(args: Args) -> Result<u8> {
    let Args { command, upgrade, global } = args;
    if let Some(Command::Completions(completions)) = command {
        return Ok(completions::run(&completions));
    }
    if let Some(Command::CompilePlugin(command)) = command {
        return Ok(compile_plugin::run(&command));
    }
    let settings = confinement::begin(command.as_ref(), &upgrade, &global)?;
    if let Some(settings) = settings {
        lockdown::check(&settings, command.as_ref())?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::defect(format!("starting the program: {error}")))?;
    runtime.block_on(async {
        match command {
            None => upgrade::run(&global, &upgrade).await,
            Some(Command::Backup(command)) => backup::run(&global, &command).await,
            Some(Command::History) => history::list(&global),
            Some(Command::Show(command)) => history::show(&global, &command),
            Some(Command::Plan(command)) => plan::run(&global, &command).await,
            Some(Command::Doctor(command)) => doctor::run(&global, &command).await,
            Some(Command::Resume(command)) => resume::run(&global, &command).await,
            Some(Command::Rollback(command)) => rollback::run(&global, &command).await,
            Some(Command::Status) => status::run(&global).await,
            Some(Command::SupportBundle(command)) => support_bundle::run(&global, &command).await,
            Some(Command::Unlock(command)) => unlock::run(&global, &command).await,
            Some(Command::Approve(command)) => approve::run(&global, &command),
            Some(Command::Apply(command)) => apply::run(&global, &command).await,
            Some(Command::Policy(command)) => policy::run(&global, &command).await,
            Some(Command::Audit(command)) => audit::run(&global, &command),
            Some(Command::Plugin(command)) => plugin::run(&global, &command).await,
            Some(Command::Completions(completions)) => Ok(completions::run(&completions)),
            Some(Command::CompilePlugin(command)) => Ok(compile_plugin::run(&command)),
        }
    })
}
