//! What the node counts, for Prometheus: `GET /metrics`; and whether it wants new sessions, for a
//! load balancer: `GET /ready` (sip/OPS-02).
//!
//! Served on a thread of its own. It asks the cores and the focus for their figures when it is
//! asked itself, so nobody pays for figures that nobody reads. Nothing that a peer wrote is in
//! them: no address, no session-id, no content (SEC-01).

mod text;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sip_control::server::Desk;
use tokio::net::TcpListener;

use self::text::{Kind, MEDIA_TYPE, Scrape};
use crate::{failure::Failure, runtime::Reading};

/// Whether new sessions are welcome.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// They are, or they are not, from now on.
    pub fn set(&self, is_ready: bool) {
        self.0.store(is_ready, Ordering::SeqCst);
    }
}

/// Everybody who counts.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The cores, in their order.
    pub cores: Vec<Reading>,
    /// The control plane.
    pub focus: Desk,
    /// Whether new sessions are welcome.
    pub readiness: Readiness,
}

/// Takes the address.
pub async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, address))
    };
    bound.await.map_err(|error| {
        Failure::Refused(format!(
            "cannot listen for HTTP on {address} (metrics.listen): {error}; stop the process that \
             has the address, or choose another"
        ))
    })
}

/// Serves until the process ends.
pub fn serve(listener: TcpListener, sources: Sources) -> Result<(), Failure> {
    let broken = |error| Failure::Broken(format!("no thread for metrics: {error}"));
    let listener = listener.into_std().map_err(broken)?;
    let serving = async move {
        let listener = TcpListener::from_std(listener)?;
        let pages = Router::new().route("/metrics", get(metrics)).route("/ready", get(ready));
        axum::serve(listener, pages.with_state(sources)).await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(broken)?;
    let spawned = thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(serving) {
            tracing::error!(%error, "metrics are not served any more");
        }
    });
    spawned.map(|_| ()).map_err(broken)
}

async fn ready(State(sources): State<Sources>) -> StatusCode {
    if sources.readiness.0.load(Ordering::SeqCst) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn metrics(State(mut sources): State<Sources>) -> Response {
    let mut scrape = Scrape::default();
    for (core, reading) in sources.cores.iter_mut().enumerate() {
        let census = reading.take().await;
        scrape.add_core(core, Kind::Counter, &census.counters);
        scrape.add_core(core, Kind::Gauge, &census.gauges);
    }
    if let Some(census) = sources.focus.census().await {
        scrape.add("focus", Kind::Counter, &census.focus);
        scrape.add("focus_present", Kind::Gauge, &census.gauges);
        scrape.add("transactions", Kind::Counter, &census.transactions);
        scrape.add("transport", Kind::Counter, &census.transport);
        scrape.add("groups", Kind::Counter, &census.groups);
        if let Some(store) = &census.store {
            scrape.add("store", Kind::Counter, store);
        }
    }
    match scrape.text() {
        Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        // Writing into memory does not fail.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
