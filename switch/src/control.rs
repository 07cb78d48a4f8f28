//! Orders of the operator, on a Unix socket that is the owner's alone (sip/LEAVE-08).
//!
//! One line a connection: `end URI`. The answer is one line, too: `ended`, `none` when no session of
//! that room or identity runs, or what was expected. Who can open the socket may do what the owner of
//! the process may, so there is nothing to prove.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::Path,
    time::Duration,
};

use sip_control::server::Desk;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixListener,
};

use crate::{config::Config, failure::Failure};

/// Octets of an order. A URI has at most 2 KiB (sip/OPS-04).
const ORDER_SIZE_MAX: u64 = 4096;

/// How long an order may take to come, and its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to take no orders after the host ran short of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes the place of the socket, also of one that a process which is gone has left there.
pub fn bind(path: &Path) -> Result<UnixListener, Failure> {
    let bound = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_behind(path) => {
            fs::remove_file(path).and_then(|()| UnixListener::bind(path))
        }
        other => other,
    };
    let bound = bound.and_then(|listener| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    });
    bound.map_err(|error| {
        Failure::Refused(format!(
            "cannot take orders on {} (node.control): {error}; choose a path that this process may \
             write, and no other uses",
            path.display()
        ))
    })
}

/// Whether it is a socket at which nobody listens.
fn is_left_behind(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err()
}

/// Heeds orders for as long as the node runs, one after the other.
pub async fn heed(listener: UnixListener, desk: Desk) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Whoever gives no order, or does not stay for the answer, loses nothing but it.
                let _ = tokio::time::timeout(PATIENCE, answer(stream, &desk)).await;
            }
            Err(error) => {
                tracing::warn!(%error, "no orders are taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer(stream: tokio::net::UnixStream, desk: &Desk) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut order = String::new();
    BufReader::new(read.take(ORDER_SIZE_MAX)).read_line(&mut order).await?;
    let answer = match order.trim_end().split_once(' ') {
        Some(("end", uri)) => match desk.end(uri.to_owned()).await {
            Some(true) => "ended\n",
            Some(false) => "none\n",
            None => return Ok(()),
        },
        _ => "expected `end URI`\n",
    };
    write.write_all(answer.as_bytes()).await
}

/// Has the node that runs by this configuration end the session of a room, or of an identity.
pub fn end(config: &Config, uri: &str) -> Result<(), Failure> {
    let path = config.control.as_deref().ok_or_else(|| {
        let need = "no socket to give orders on; name the configuration of the node by --config, with \
                    node.control in it";
        Failure::Refused(need.to_owned())
    })?;
    if uri.is_empty() || uri.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Failure::Refused(format!("{uri:?}: expected the URI of a room or session")));
    }
    let ordered = || {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("end {uri}\n").as_bytes())?;
        let mut answer = String::new();
        stream.take(ORDER_SIZE_MAX).read_to_string(&mut answer)?;
        Ok::<_, io::Error>(answer)
    };
    match ordered().as_deref().map(str::trim_end) {
        Ok("ended") => Ok(()),
        Ok("none") => Err(Failure::Refused(format!("no session of {uri} runs"))),
        Ok(other) => Err(Failure::Broken(format!("the node answers {other:?}"))),
        Err(error) => Err(Failure::Refused(format!(
            "{}: cannot be reached: {error}; is the node running, and this user its owner?",
            path.display()
        ))),
    }
}
