//! `completions`: the completion script of a shell.

use clap::CommandFactory as _;

use super::args::{Args, Completions};
use super::exit_code;

const PROGRAM: &str = "tessallite-up";

pub fn run(completions: &Completions) -> u8 {
    super::display::print(&script(completions.shell));
    exit_code::DONE
}

fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(), PROGRAM, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Hidden commands are hidden from help only: a script would offer them.
fn visible() -> clap::Command {
    let all = Args::command();
    let commands = all.get_subcommands().filter(|command| !command.is_hide_set());
    clap::Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(all.get_arguments().cloned())
        .subcommands(commands.cloned())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn no_shell_offers_what_is_hidden() {
        for shell in clap_complete::Shell::value_variants() {
            let script = script(*shell);
            assert!(!script.contains("compile-plugin"), "{shell}");
            for word in ["support-bundle", "expect-migration", "version", "project-dir"] {
                assert!(script.contains(word), "{shell} knows no {word}");
            }
        }
    }
}
