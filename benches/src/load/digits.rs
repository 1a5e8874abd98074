//! Numbers as digits, without the formatting machinery.

/// Appends a number in so many hexadecimal digits.
pub fn hex(out: &mut Vec<u8>, number: u64, digits: usize) {
    out.extend(
        (0..digits)
            .rev()
            .map(|digit| b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize]),
    );
}

/// The number of hexadecimal digits.
pub fn from_hex(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// Appends a number in decimal digits.
pub fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_and_read() {
        let mut out = Vec::new();
        for value in [0, 9, 10, 1_073_741_824, u64::MAX] {
            out.clear();
            decimal(&mut out, value);
            assert_eq!(out, value.to_string().as_bytes());
            out.clear();
            hex(&mut out, value, 16);
            assert_eq!(from_hex(&out), Some(value));
        }
    }
}
