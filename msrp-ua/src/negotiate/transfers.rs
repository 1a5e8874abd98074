//! Which transfers of files a dialog has seen (RFC 5547 §8.1).

use std::collections::VecDeque;

use crate::sdp::FileAttributes;

/// Identifiers that are remembered in a dialog, and octets of each; of more the oldest are forgotten.
const MAX_TRANSFERS: usize = 128;
const MAX_ID: usize = 128;

/// The identifiers of a dialog's transfers, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfers(VecDeque<Box<str>>);

impl Transfers {
    pub(super) fn remember(&mut self, file: &Option<FileAttributes>) {
        let Some(file) = file.as_ref().filter(|file| !self.knows(file)) else {
            return;
        };
        if let Some(id) = key(file) {
            if self.0.len() == MAX_TRANSFERS {
                self.0.pop_front();
            }
            self.0.push_back(id.into());
        }
    }

    pub(super) fn knows(&self, file: &FileAttributes) -> bool {
        key(file).is_some_and(|id| self.0.iter().any(|known| **known == *id))
    }
}

/// As much of an identifier as is remembered; peers take 32 characters or so.
fn key(file: &FileAttributes) -> Option<&str> {
    let id = file.transfer_id.as_deref()?;
    Some(id.get(..MAX_ID).unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: &str) -> Option<FileAttributes> {
        Some(FileAttributes::new(Default::default(), id))
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut transfers = Transfers::default();
        for number in 0..=MAX_TRANSFERS {
            transfers.remember(&file(&number.to_string()));
            transfers.remember(&file(&number.to_string()));
        }
        let knows = |id: &str| transfers.knows(&file(id).unwrap());
        assert_eq!(
            (knows("0"), knows("1"), transfers.0.len()),
            (false, true, MAX_TRANSFERS)
        );
        let long = "x".repeat(10_000);
        let mut transfers = Transfers::default();
        transfers.remember(&file(&long));
        assert!(transfers.knows(&file(&long).unwrap()) && transfers.0[0].len() == MAX_ID);
    }
}
