//! What must not be guessed: keys and masks (RFC 6455 §4.1, §5.3).

/// Masks that are drawn from the operating system at a time.
const POOL: usize = 32;

/// A client's masks, from the operating system's source of randomness.
pub(super) struct Masks {
    pool: [[u8; 4]; POOL],
    used: usize,
}

impl Masks {
    /// # Errors
    /// When the operating system gives no randomness.
    pub(super) fn new() -> std::io::Result<Self> {
        let mut masks = Self {
            pool: [[0; 4]; POOL],
            used: 0,
        };
        fill(masks.pool.as_flattened_mut())?;
        Ok(masks)
    }

    /// A mask that was not used before.
    pub(super) fn next(&mut self) -> [u8; 4] {
        if self.used == POOL {
            // A source that has given once does not fail later; old masks would only be easier to guess.
            let _goes_on = fill(self.pool.as_flattened_mut());
            self.used = 0;
        }
        let mask = self.pool.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        mask
    }
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masks")
    }
}

/// Fills with randomness.
pub(super) fn fill(octets: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(octets).map_err(std::io::Error::other)
}
