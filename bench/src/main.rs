//! `msrp-bench` loads an MSRP switch with members that join by SIP like any other, and checks
//! every copy of every message that they get.
//!
//! It shares the wire crate with the switch and nothing else: its SIP and SDP are foreign crates,
//! its connections run on another ring runtime, and what it checks it computes anew.

#![forbid(unsafe_code)]

mod check;
mod clock;
mod content;
mod crew;
mod door;
mod fault;
mod machine;
mod pacer;
mod peer;
mod process;
mod progress;
mod report;
mod run;
mod scenario;
mod schedule;
mod tally;
mod traffic;
mod transfer;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use mimalloc::MiMalloc;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::progress::Progress;
use crate::scenario::Options;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Entries of the submission ring. A batch larger than this is submitted in parts.
const RING_ENTRIES: u32 = 4096;

fn main() -> ExitCode {
    let options = Options::parse();
    let scenario = match options.check() {
        Ok(scenario) => scenario,
        Err(why) => <Options as clap::CommandFactory>::command()
            .error(ErrorKind::ValueValidation, why)
            .exit(),
    };
    let outcome = prepare(&options).and_then(|()| {
        let progress = Progress::new(options.quiet);
        // One thread, which enters the kernel often enough to be told there what has completed:
        // no interrupt is needed for that.
        let mut ring = tokio_uring::uring_builder();
        ring.setup_single_issuer().setup_coop_taskrun();
        tokio_uring::builder()
            .entries(RING_ENTRIES)
            .uring_builder(&ring)
            .start(run::run(scenario, progress))
    });
    match outcome {
        Ok(report) => {
            if options.json {
                println!("{}", report.to_json());
            } else {
                print!("{}", report.to_text());
            }
            ExitCode::from(report.exit_status())
        }
        Err(error) => {
            eprintln!("msrp-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Pins the process where it was asked to stay, and lets it have as many connections as it may.
fn prepare(options: &Options) -> io::Result<()> {
    if let Some(cpu) = options.cpu {
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set)?;
    }
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(())
}
