//! The `holoscope` command: parse, call, print. The work is done in the library.

mod cli;

use clap::Parser as _;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence: the causes are part of each error's own message.
            let _ = writeln!(std::io::stderr(), "holoscope: {error}");
            ExitCode::FAILURE
        }
    }
}
