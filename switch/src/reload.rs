//! SIGHUP: the configuration file is read again, and used as a whole or not at all (sip/OPS-12).

use std::path::{Path, PathBuf};

use sip_control::server::Desk;
use tokio::signal::unix::Signal;

use crate::config::Config;

/// Heeds the signal for as long as the node runs. `file` is what the node was started with, if it
/// was with a file, and `config` what came of it.
pub async fn heed(mut hangup: Signal, file: Option<PathBuf>, mut config: Config, desk: Desk) {
    while hangup.recv().await.is_some() {
        let Some(file) = file.clone() else {
            tracing::warn!("SIGHUP, but there is no configuration file to read again");
            continue;
        };
        // A disk may be slow, and SIP does not wait for it.
        let read = tokio::task::spawn_blocking(move || read(&file)).await;
        let new = match read.unwrap_or_else(|gone| Err(gone.to_string())) {
            Ok(new) => new,
            Err(complaint) => {
                tracing::error!("{complaint}; the configuration stays as it was");
                continue;
            }
        };
        for key in config.fixed_but_changed(&new) {
            tracing::warn!(key, "changed, which takes a restart");
        }
        config.sip = new.sip;
        desk.reconfigure(config.sip.clone()).await;
        tracing::info!("configuration read again");
    }
}

/// Reads a configuration file. What is wrong with it is one line.
pub fn read(file: &Path) -> Result<Config, String> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        format!("{name}: cannot be read: {error}; give --config a readable file")
    })?;
    Config::parse(&name, &text).map_err(|complaint| complaint.to_string())
}
