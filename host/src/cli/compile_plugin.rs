//! `compile-plugin`, which nobody but this program starts: see `Bounds::arguments`.

use crate::plugin::{self, Bounds};

/// Compile the component on standard input; this program starts itself with it
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub struct CompilePlugin {
    #[arg(long)]
    memory_bytes: u64,
    #[arg(long)]
    seconds: u64,
    #[arg(long)]
    parent: u32,
}

impl CompilePlugin {
    fn bounds(&self) -> Bounds {
        let Self { memory_bytes, seconds, parent } = *self;
        Bounds { memory_bytes, seconds, parent }
    }
}

/// The exit code means something to the process that has started this one only.
pub fn run(command: &CompilePlugin) -> u8 {
    plugin::compile_standard_input(&command.bounds())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::args::{Args, Command};

    #[test]
    fn the_program_understands_what_it_starts_itself_with() {
        let bounds = Bounds { memory_bytes: 1 << 40, seconds: 2, parent: u32::MAX };
        let line = ["tessallite-up".to_owned()].into_iter().chain(bounds.arguments());
        let args = Args::parse_from_line(line.map(Into::into)).unwrap();
        let Some(Command::CompilePlugin(command)) = args.command else { panic!("{args:?}") };
        assert_eq!(command.bounds(), bounds);
    }

    #[test]
    fn nobody_is_told_of_it() {
        let help = Args::command().render_long_help().to_string();
        assert!(!help.contains("compile-plugin"), "{help}");
    }
}
