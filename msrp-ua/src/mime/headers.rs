//! Header fields of a body (RFC 2045): names in any case, long ones folded.

use std::fmt;

use super::MimeError;

/// A header field, unfolded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHeader {
    name: Box<str>,
    value: String,
}

impl ContentHeader {
    /// Its name as written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// The header fields of a body, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentHeaders {
    fields: Vec<ContentHeader>,
}

impl ContentHeaders {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one line, without its end. Octets that are not UTF-8 become U+FFFD: header fields of old programs have them,
    /// and nothing that matters is in them.
    ///
    /// # Errors
    /// [`MimeError::Header`].
    pub fn push_line(&mut self, line: &[u8]) -> Result<(), MimeError> {
        let line = String::from_utf8_lossy(line);
        if line.contains(['\0', '\r', '\n']) {
            return Err(MimeError::Header);
        }
        if line.starts_with([' ', '\t']) {
            let field = self.fields.last_mut().ok_or(MimeError::Header)?;
            let more = line.trim_matches([' ', '\t']);
            if !field.value.is_empty() && !more.is_empty() {
                field.value.push(' ');
            }
            field.value.push_str(more);
            return Ok(());
        }
        let (name, value) = line.split_once(':').ok_or(MimeError::Header)?;
        let name = name.trim_end_matches([' ', '\t']);
        if !is_field_name(name) {
            return Err(MimeError::Header);
        }
        self.fields.push(ContentHeader {
            name: name.into(),
            value: value.trim_matches([' ', '\t']).to_owned(),
        });
        Ok(())
    }

    /// Adds a field.
    ///
    /// # Errors
    /// [`MimeError::Header`] where the name is none, or the value has a control character or is empty.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), MimeError> {
        let value = value.trim_matches([' ', '\t']);
        if !is_field_name(name) || value.is_empty() || value.chars().any(|it| it.is_control() && it != '\t') {
            return Err(MimeError::Header);
        }
        self.fields.push(ContentHeader {
            name: name.into(),
            value: value.to_owned(),
        });
        Ok(())
    }

    /// The value of the first field of this name, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all fields of this name, in any case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.as_str())
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = &ContentHeader> {
        self.fields.iter()
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl fmt::Display for ContentHeaders {
    /// Each field on a line of its own that ends in CRLF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for field in &self.fields {
            write!(f, "{}: {}\r\n", field.name, field.value)?;
        }
        Ok(())
    }
}

/// `field-name`, without the separators of MIME that no real name has.
fn is_field_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<ContentHeaders, MimeError> {
        let mut headers = ContentHeaders::new();
        for line in lines {
            headers.push_line(line.as_bytes())?;
        }
        Ok(headers)
    }

    // shows: 3862-2.4-03
    #[test]
    fn names_come_in_any_case_and_long_fields_folded() {
        let headers = read(&[
            "content-TYPE: multipart/mixed;",
            "\t boundary=\"x\"",
            "X:",
            "  y",
            "x : z ",
        ])
        .unwrap();
        assert_eq!(
            headers.get("Content-Type"),
            Some("multipart/mixed; boundary=\"x\"")
        );
        assert_eq!(headers.all("X").collect::<Vec<_>>(), ["y", "z"]);
        assert_eq!(headers.get("none"), None);
        for bad in ["no field", ": x", "a b: x", " folded from nothing"] {
            assert_eq!(read(&[bad]), Err(MimeError::Header), "{bad}");
        }
    }

    #[test]
    fn nothing_that_ends_a_line_is_written() {
        let mut headers = ContentHeaders::new();
        headers.push("Content-ID", "<1@example.com>").unwrap();
        for (name, value) in [
            ("a", "x\r\nb: y"),
            ("a", "x\ny"),
            ("a\r\nb", "x"),
            ("a:", "x"),
            ("a", "\0"),
            ("a", " "),
        ] {
            assert_eq!(
                headers.push(name, value),
                Err(MimeError::Header),
                "{name} {value}"
            );
        }
        assert_eq!(headers.to_string(), "Content-ID: <1@example.com>\r\n");
    }
}
