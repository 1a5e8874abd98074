//! What signals do, and what the supervisor is told: `sd_notify`, where systemd started the relay.

use std::{
    io,
    time::{Duration, Instant},
};

use msrp_relay::RelayCommand;
use msrp_transport::{mio_driver::HandleError, tls_config::Identity};
use sd_notify::NotifyState;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{Settings, material::Material, shards::Shards, users::Users};

/// How often it is looked whether anything is under way.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// SIGHUP reads users and certificates again; SIGTERM and SIGINT drain, and a second one ends at once. `made` is the
/// certificate that the relay has made for itself, if it has.
///
/// # Errors
/// Those of the operating system.
pub(super) fn obey(shards: Shards, settings: Settings, made: Option<Identity>) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut ending = false;
            for signal in signals.forever() {
                let said = match signal {
                    SIGHUP => {
                        reloading();
                        let said = reload(&shards, &settings, made.as_ref());
                        tell(&[NotifyState::Ready]);
                        said
                    }
                    _ if ending => shards.shutdown(Duration::ZERO),
                    _ => {
                        ending = true;
                        tracing::info!(seconds = settings.drain.as_secs(), "draining");
                        tell(&[NotifyState::Stopping]);
                        drain(&shards, settings.drain)
                    }
                };
                match said {
                    Ok(()) => {}
                    Err(HandleError::Stopped) => return,
                    Err(error) => tracing::error!(%error, "signal not heard; send it again"),
                }
            }
        })?;
    Ok(())
}

/// Lets what is under way finish. Several shards settle first: what one of them has taken may still have to reach another.
fn drain(shards: &Shards, time: Duration) -> Result<(), HandleError> {
    if shards.len() > 1 {
        shards.command(|| RelayCommand::Settle)?;
        let (waiting, until) = (shards.clone(), Instant::now() + time);
        std::thread::Builder::new()
            .name("drain".to_owned())
            .spawn(move || {
                await_rest(&waiting, until);
                // Shards that have ended need not hear of it.
                let _ended = waiting.command(|| RelayCommand::Drain);
            })
            // Without the thread connections stay until the time is over.
            .map_or_else(
                |error| tracing::warn!(%error, "cannot wait for what is under way"),
                drop,
            );
    } else {
        shards.command(|| RelayCommand::Drain)?;
    }
    shards.shutdown(time)
}

/// Waits until nothing is under way. One look goes from shard to shard, and a message may go the other way meanwhile, so it
/// takes two in a row that find nothing.
fn await_rest(shards: &Shards, until: Instant) {
    let mut quiet = 0;
    while quiet < 2 && Instant::now() < until {
        match shards.open_transactions() {
            Some(0) => quiet += 1,
            Some(_) => quiet = 0,
            None => return,
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Tells the supervisor that the relay serves.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no clock for the supervisor"),
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the supervisor cannot be told");
    }
}

/// Users and certificates each on their own: what is broken stays as it was.
fn reload(shards: &Shards, settings: &Settings, made: Option<&Identity>) -> Result<(), HandleError> {
    let users = match Users::load(settings) {
        Ok(users) => {
            let said = shards.command(|| RelayCommand::ReplaceAuthStore(Box::new(users.clone())));
            // Whoever reads this and then connects meets them.
            tracing::info!(users = users.len(), "users read again");
            said
        }
        Err(error) => {
            tracing::error!(%error, "users not read again; the old ones stay");
            Ok(())
        }
    };
    let certificates = match Material::load(settings, made) {
        Ok(material) => {
            let listeners = settings.listen.len();
            let said = shards.call(move |_, server, _| material.apply(server, listeners));
            tracing::info!("certificates read again");
            said
        }
        Err(error) => {
            tracing::error!(%error, "certificates not read again; the old ones stay");
            Ok(())
        }
    };
    users.and(certificates)
}
