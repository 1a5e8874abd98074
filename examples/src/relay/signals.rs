//! What signals do, and what the supervisor is told: `sd_notify`, where systemd started the relay.

use std::{io, time::Duration};

use msrp_relay::RelayCommand;
use msrp_transport::{mio_driver::HandleError, tls_config::Identity};
use sd_notify::NotifyState;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{Settings, material::Material, shards::Shards, users::Users};

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
                        shards
                            .command(|| RelayCommand::Drain)
                            .and_then(|()| shards.shutdown(settings.drain))
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
            tracing::info!(users = users.len(), "users read again");
            shards.command(|| RelayCommand::ReplaceAuthStore(Box::new(users.clone())))
        }
        Err(error) => {
            tracing::error!(%error, "users not read again; the old ones stay");
            Ok(())
        }
    };
    let certificates = match Material::load(settings, made) {
        Ok(material) => {
            tracing::info!("certificates read again");
            let listeners = settings.listen.len();
            shards.call(move |_, server, _| material.apply(server, listeners))
        }
        Err(error) => {
            tracing::error!(%error, "certificates not read again; the old ones stay");
            Ok(())
        }
    };
    users.and(certificates)
}
