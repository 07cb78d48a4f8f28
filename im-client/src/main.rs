//! `im-client`: a chat in the terminal, on the IM Client of `sip-control`. It joins a room, shows who
//! is there, and comes back by itself when the network has taken the session away.
#![forbid(unsafe_code)]

mod app;
mod args;
mod chat;
mod composing;
mod imdn;
mod input;
mod plain;
mod screen;
mod view;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sip_control::client::{Config, Credentials, Privacy, User, listen, start};
use sip_control::transport::Target;
use tokio::sync::mpsc;

use crate::args::Args;
use crate::chat::Chat;

/// How often the switch is asked whether the session still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("im-client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), String> {
    let user = sip_side(&args).await?;
    let (orders, heard_orders) = mpsc::unbounded_channel();
    let (news, heard_news) = mpsc::unbounded_channel();
    let chat = Chat {
        user,
        address: args.user.clone(),
        room: args.room.clone(),
        nickname: args.nick.clone().unwrap_or_default(),
        privacy: if args.anonymous { Privacy::Anonymous } else { Privacy::None },
        orders: heard_orders,
        news,
    };
    let chatting = tokio::spawn(chat.run());
    let shown = if args.plain {
        plain::run(&args, orders, heard_news).await
    } else {
        screen::run(&args, orders, heard_news).await
    };
    // Whoever leaves waits for the BYE to be answered.
    let _ = chatting.await;
    shown.map_err(|error| error.to_string())
}

/// Opens the sockets and starts the user's SIP side.
async fn sip_side(args: &Args) -> Result<User, String> {
    let target = Target::new(args.protocol(), args.focus);
    let local = args
        .local_address()
        .map_err(|error| format!("{} cannot be reached from here: {error}", args.focus))?;
    let (transport, contact) =
        listen(local).await.map_err(|error| format!("{local} cannot be listened at: {error}"))?;
    let mut config = Config::new(&args.user, contact, target);
    // Focuses of both profiles are joined anew when they have lost a session (judgement J-01).
    config.is_gone_by_words = true;
    config.display_name.clone_from(&args.name);
    "im-client".clone_into(&mut config.product);
    config.media.wrapped_types.push(composing::CONTENT_TYPE.to_owned());
    config.media.keep_alive = Some(KEEP_ALIVE);
    let password = args::password();
    config.credentials = password.map(|password| Credentials::new(args.user_name(), &password));
    start(config, transport).map_err(|error| format!("no randomness: {error}"))
}
