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
mod figures;
mod joins;
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
use crate::scenario::{Mode, Options};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Entries of the submission ring. A batch larger than this is submitted in parts.
const RING_ENTRIES: u32 = 4096;

fn main() -> ExitCode {
    let mut options = Options::parse();
    match options.mode.take() {
        Some(Mode::Joins(options)) => measure_joins(options),
        None => load(&options),
    }
}

/// Messages, in rooms.
fn load(options: &Options) -> ExitCode {
    let scenario = options.check().unwrap_or_else(|why| make_sense_or_exit(why));
    let outcome = prepare(options.cpu)
        .and_then(|()| on_ring(run::run(scenario, Progress::new(options.quiet))));
    conclude(outcome.map(|report| {
        let text = if options.json { report.to_json() + "\n" } else { report.to_text() };
        (text, report.exit_status())
    }))
}

/// Rejoins and refreshes.
fn measure_joins(options: joins::Options) -> ExitCode {
    options.check().unwrap_or_else(|why| make_sense_or_exit(why));
    let is_json = options.json;
    let outcome = prepare(options.cpu).and_then(|()| {
        let progress = Progress::new(options.quiet);
        on_ring(joins::run(options, progress))
    });
    conclude(outcome.map(|report| {
        let text = if is_json { report.to_json() + "\n" } else { report.to_text() };
        (text, report.exit_status())
    }))
}

fn make_sense_or_exit(why: String) -> ! {
    let mut command = <Options as clap::CommandFactory>::command();
    command.error(ErrorKind::ValueValidation, why).exit()
}

/// One thread, which enters the kernel often enough to be told there what has completed: no interrupt
/// is needed for that.
fn on_ring<T>(run: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut ring = tokio_uring::uring_builder();
    ring.setup_single_issuer().setup_coop_taskrun();
    tokio_uring::builder().entries(RING_ENTRIES).uring_builder(&ring).start(run)
}

/// Shows what a run came to.
fn conclude(outcome: io::Result<(String, u8)>) -> ExitCode {
    match outcome {
        Ok((text, status)) => {
            print!("{text}");
            ExitCode::from(status)
        }
        Err(error) => {
            eprintln!("msrp-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Pins the process where it was asked to stay, and lets it have as many connections as it may.
fn prepare(cpu: Option<usize>) -> io::Result<()> {
    if let Some(cpu) = cpu {
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set)?;
    }
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(())
}
