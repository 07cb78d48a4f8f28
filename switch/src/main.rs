//! `msrp-switch`: the composition root. Takes the SIP ports, starts the cores, then the focus, and
//! ends them in the opposite order.
//!
//! This is the only place that names both planes. What is said on standard output is one line when
//! everything serves; all else is log, on standard error.

// Only `io::uring` may allow it, and says why.
#![deny(unsafe_code)]

mod config;
mod control;
mod failure;
mod host;
mod io;
mod metrics;
mod node;
mod policy;
mod reload;
mod runtime;

use std::{
    convert::Infallible, io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use engine::Counters;
use mailbox::CoreId;
use sip_control::{
    focus::Duty,
    server::{self, BindError, Cores},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};

use crate::{
    config::{Config, Io},
    failure::Failure,
    metrics::{Readiness, Sources},
    node::Node,
};

/// How long the cores may take to end once the focus has: they have had their time to send what was
/// queued. With that, and `sip.timers.shutdown`, a stop takes 4.5 s by default: a supervisor that gives
/// five sees us go by ourselves.
const CORES_END_MAX: Duration = Duration::from_millis(500);

#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Counts, for `runtime/footprint.rs`.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// A chat switch: rooms over MSRP (RFC 4975, RFC 7701) behind a SIP conference focus.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// What to run with; without it, a built-in configuration on loopback.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Say whether a configuration file is sound, and do nothing else.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    check: Option<PathBuf>,
    /// How the cores get at their sockets, whatever the configuration says.
    #[arg(long, value_name = "WAY")]
    io: Option<Io>,
    #[command(subcommand)]
    task: Option<Task>,
}

/// What there is to do but to serve.
#[derive(Debug, Subcommand)]
enum Task {
    /// Ask the rules of the Pre-defined Groups.
    #[command(subcommand)]
    Policy(policy::Question),
    /// Have the node that runs by the same configuration end the session of a room: its users are told,
    /// and may begin another one.
    End {
        /// The SIP URI of the room, or of the session.
        room: String,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let in_colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(in_colour)
        .with_target(false)
        .init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("msrp-switch: {failure}");
            failure.status()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Some(file) = arguments.check {
        let config = reload::read(&file).map_err(Failure::Refused)?;
        return policy::open(&config).map(|_| ());
    }
    let mut config = match &arguments.config {
        Some(file) => reload::read(file).map_err(Failure::Refused)?,
        None => Config::default(),
    };
    match &arguments.task {
        Some(Task::Policy(question)) => return policy::answer(&config, question),
        Some(Task::End { room }) => return control::end(&config, room),
        None => {}
    }
    let as_written = config.clone();
    config.io = arguments.io.unwrap_or(config.io);
    if config.sip.identity_from_from_header {
        tracing::warn!(
            "trusted peers without P-Asserted-Identity are taken at their From \
             (sip.identity_from_from_header): for programs on this host only"
        );
    }
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let control = control
        .map_err(|error| Failure::Broken(format!("no runtime for the control plane: {error}")))?;
    control.block_on(async {
        let hangup = await_signal(SignalKind::hangup())?;
        let sip = server::bind(config.sip.clone()).await.map_err(cannot_serve_sip)?;
        if let Some(path) = &config.control {
            tokio::spawn(control::heed(control::bind(path)?, sip.desk()));
        }
        tokio::spawn(reload::heed(hangup, arguments.config, as_written, sip.desk()));
        let (tell, told) = mpsc::channel(1);
        tokio::spawn(heed_signals(
            await_signal(SignalKind::terminate())?,
            await_signal(SignalKind::interrupt())?,
            tell,
        ));
        let node = Node::start(&config)?;
        // All of the control plane is in it, which is much for a stack.
        Box::pin(serve(&config, sip, node, |line| println!("{line}"), told)).await
    })
}

/// Tells of every signal that asks the process to end.
async fn heed_signals(mut terminate: Signal, mut interrupt: Signal, tell: mpsc::Sender<()>) {
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if tell.send(()).await.is_err() {
            return;
        }
    }
}

/// Says in one line when all is ready, and where, and serves until the process is told to stop, or its
/// last core breaks. Told for the first time, it drains (sip/OPS-02).
async fn serve(
    config: &Config,
    sip: server::Bound,
    node: Node,
    say: impl FnOnce(&str),
    mut told: mpsc::Receiver<()>,
) -> Result<(), Failure> {
    let Node { links, readings, bell, addresses, way, mut ended } = node;
    let readiness = Readiness::default();
    let sources = Sources { cores: readings, focus: sip.desk(), readiness: readiness.clone() };
    let figures = serve_metrics(config, sources).await?;
    let figures = figures.map(|address| format!(" metrics={address}")).unwrap_or_default();
    readiness.set(true);
    say(&format!(
        "ready sip={} msrp={} cores={} io={way}{figures}",
        sip_addresses(&sip).join(","),
        addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(","),
        links.len()
    ));
    let cores = links.len();
    let links = Cores { links, doorbell: bell, listeners: addresses };
    let desk = sip.desk();
    let (mut first_end, mut gone) = (None, 0);
    let (assign, duty) = watch::channel(Duty::Serving);
    let supervision = async {
        while *assign.borrow() != Duty::Stopping {
            let serves = *assign.borrow() == Duty::Serving;
            let next = tokio::select! {
                // Nobody can tell any more: as if it were told to stop.
                word = told.recv() => match word {
                    Some(()) if serves => Duty::Draining,
                    _ => Duty::Stopping,
                },
                end = ended.recv() => match end {
                    // The others go on without it (sip/OPS-09).
                    Some((core, Err(error))) if gone + 1 < cores => {
                        gone += 1;
                        tracing::error!("core {} does not serve any more: {error}", core.index());
                        desk.lose(core).await;
                        continue;
                    }
                    Some((core, Ok(counters))) if !serves => {
                        gone += 1;
                        note_counted(core, &counters);
                        continue;
                    }
                    end => {
                        first_end = end;
                        Duty::Stopping
                    }
                },
            };
            // Nobody shall be sent here to be refused (sip/OPS-02).
            readiness.set(false);
            assign.send_replace(next);
        }
        std::future::pending::<Infallible>().await
    };
    let counters = tokio::select! {
        counters = sip.serve(links, duty) => counters,
        never = supervision => match never {},
    };
    tracing::info!("the focus counted: {counters:?}");
    if let Some((core, end)) = first_end {
        return Err(broken(core, end));
    }
    let ends = async {
        for _ in gone..cores {
            match ended.recv().await {
                Some((core, Ok(counters))) => note_counted(core, &counters),
                Some((core, end)) => return Err(broken(core, end)),
                None => {}
            }
        }
        Ok(())
    };
    tokio::time::timeout(CORES_END_MAX, ends).await.unwrap_or_else(|_| {
        tracing::warn!("not every core has ended in time");
        Ok(())
    })
}

fn note_counted(core: CoreId, counters: &Counters) {
    tracing::info!("core {} counted: {counters:?}", core.index());
}

/// Serves figures where the configuration says, if it does. Where that is.
async fn serve_metrics(config: &Config, sources: Sources) -> Result<Option<SocketAddr>, Failure> {
    let Some(address) = config.metrics else { return Ok(None) };
    let (listener, address) = metrics::bind(address).await?;
    metrics::serve(listener, sources)?;
    Ok(Some(address))
}

fn sip_addresses(sip: &server::Bound) -> Vec<String> {
    let udp = sip.udp_addresses().into_iter().map(|address| format!("udp:{address}"));
    let tcp = sip.tcp_addresses().into_iter().map(|address| format!("tcp:{address}"));
    udp.chain(tcp).collect()
}

fn cannot_serve_sip(error: BindError) -> Failure {
    match error {
        BindError::Socket(error) => Failure::Refused(format!(
            "cannot listen for SIP (sip.listen_udp, sip.listen_tcp): {error}; stop the process that \
             has the address, or choose another"
        )),
        BindError::Config(error) => Failure::Refused(error.to_string()),
        BindError::Store(error) => Failure::Refused(format!(
            "cannot keep sessions (sip.persist_sessions): {error}; choose a file that this process \
             may write, and no other has open"
        )),
        BindError::Groups(error) => policy::cannot_use(&error),
        BindError::Random => Failure::Broken(error.to_string()),
    }
}

fn await_signal(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Broken(format!("cannot wait for signals: {error}")))
}

fn broken(core: CoreId, end: std::io::Result<Counters>) -> Failure {
    let how = end.err().map_or_else(|| "it ended by itself".to_owned(), |error| error.to_string());
    Failure::Broken(format!("core {} does not serve any more: {how}", core.index()))
}
