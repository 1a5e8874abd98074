//! Files that are sent by the API: they are put down before they are offered, as an offer has the hash of all of it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use axum::body::Body;
use futures::StreamExt;

/// Why a file was not put down.
#[derive(Debug)]
pub(super) enum SpoolError {
    /// It has more octets than these.
    TooLarge(u64),
    /// Its sender has given up, or sent it wrongly.
    Body(String),
    /// There is no room.
    Disk(io::Error),
}

/// A file that has been put down; dropping this takes its name away.
#[derive(Debug)]
pub(super) struct Spooled {
    path: PathBuf,
}

impl Spooled {
    /// Puts down what comes, in constant memory.
    ///
    /// # Errors
    /// [`SpoolError`]; nothing stays.
    pub(super) async fn new(folder: &Path, body: Body, most: u64) -> Result<Self, SpoolError> {
        let (spooled, mut file) = Self::create(folder).map_err(SpoolError::Disk)?;
        let mut slices = body.into_data_stream();
        let mut octets = 0_u64;
        while let Some(slice) = slices.next().await {
            let slice = slice.map_err(|error| SpoolError::Body(error.to_string()))?;
            octets = octets.saturating_add(slice.len() as u64);
            if octets > most {
                return Err(SpoolError::TooLarge(most));
            }
            file = tokio::task::spawn_blocking(move || file.write_all(&slice).map(|()| file))
                .await
                .map_err(io::Error::other)
                .and_then(|written| written)
                .map_err(SpoolError::Disk)?;
        }
        Ok(spooled)
    }

    fn create(folder: &Path) -> io::Result<(Self, File)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("msrp-api-{}-{number}", std::process::id()));
        let mut new = OpenOptions::new();
        new.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
        let file = new.open(&path)?;
        Ok((Self { path }, file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a file stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_put_down_and_goes_away() {
        let folder = std::env::temp_dir().join(format!("msrp-spool-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let spooled = Spooled::new(&folder, Body::from("hello"), 5).await.unwrap();
        assert_eq!(fs::read(spooled.path()).unwrap(), b"hello");
        drop(spooled);
        let error = Spooled::new(&folder, Body::from("hello"), 4).await.unwrap_err();
        assert!(matches!(error, SpoolError::TooLarge(4)), "{error:?}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(&folder).unwrap();
        let error = Spooled::new(&folder, Body::from("hello"), 5).await.unwrap_err();
        assert!(matches!(error, SpoolError::Disk(_)), "{error:?}");
    }
}
