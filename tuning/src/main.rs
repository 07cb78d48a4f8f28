//! Shows how a switch would sit on its machine.
//!
//! Facts come from [`probe`], what follows from them is said by [`plan`], and [`show`] prints both.
//! Nothing is changed on the host.
#![forbid(unsafe_code)]

mod cpu_set;
mod node_config;
mod plan;
mod probe;
mod show;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::{node_config::Cores, plan::Plan, probe::Host, show::Page};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit status for a configuration that cannot be used, as of the node itself.
const EXIT_CONFIG: u8 = 2;

/// Shows how an MSRP switch sits on its machine: cores, NUMA nodes, queues, interrupts.
#[derive(Parser)]
#[command(name = "msrp-tune", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the facts of this host, the pinning a node would get, and what speaks against it.
    ///
    /// Start it the way the node is started (same user, same service manager, same taskset), since
    /// the affinity mask and the control group are inherited. Nothing is changed.
    Show(Show),
}

#[derive(Args)]
struct Show {
    /// The node's configuration. Without it: cores = "auto".
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read /sys and /proc below this directory, for facts recorded on another host.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    host: &'a Host,
    cores: &'a Cores,
    plan: &'a Plan,
}

fn main() -> ExitCode {
    let Command::Show(arguments) = Arguments::parse().command;
    let (cores, source) = match &arguments.config {
        None => (Cores::Auto, "the default".to_owned()),
        Some(path) => match Cores::read(path) {
            Ok(cores) => (cores, path.display().to_string()),
            Err(error) => {
                eprintln!("msrp-tune: {}: {error}", path.display());
                return ExitCode::from(EXIT_CONFIG);
            }
        },
    };
    let host = Host::probe(&arguments.root);
    let plan = Plan::new(&host, &cores);
    let text = if arguments.json {
        let report = Report { host: &host, cores: &cores, plan: &plan };
        let json = serde_json::to_string_pretty(&report);
        format!("{}\n", json.expect("maps have string keys and numbers are finite"))
    } else {
        let page = Page { host: &host, plan: &plan, cores: &cores, source: &source };
        page.to_string().trim_start().to_owned()
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("msrp-tune: standard output: {error}");
            ExitCode::FAILURE
        }
    }
}
