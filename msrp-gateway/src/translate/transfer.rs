//! What SIP may do to a body on the way and MSRP may not (RFC 4975 §7.1.1): encodings are undone.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use msrp_ua::sip::{SipPage, SipReply};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The body as it was before Content-Transfer-Encoding.
///
/// # Errors
/// 415 for a Content-Encoding, and for a transfer encoding that is unknown; 400 for what is not what it says it is.
pub(crate) fn decoded(page: &SipPage) -> Result<Bytes, SipReply> {
    if let Some(coding) = page.header("Content-Encoding")
        && !coding.trim().eq_ignore_ascii_case("identity")
    {
        return Err(SipReply::new(415).with_header("Accept-Encoding", "identity"));
    }
    let Some(encoding) = page.header("Content-Transfer-Encoding") else {
        return Ok(page.body.clone());
    };
    let malformed = || SipReply::new(400).with_reason("Malformed Content-Transfer-Encoding");
    match &*encoding.trim().to_ascii_lowercase() {
        "7bit" | "8bit" | "binary" | "" => Ok(page.body.clone()),
        "base64" => {
            let text: Vec<u8> = page
                .body
                .iter()
                .copied()
                .filter(|octet| !octet.is_ascii_whitespace())
                .collect();
            Ok(BASE64.decode(text).map_err(|_| malformed())?.into())
        }
        "quoted-printable" => {
            let octets = quoted_printable::decode(&page.body, quoted_printable::ParseMode::Robust)
                .map_err(|_| malformed())?;
            Ok(octets.into())
        }
        _ => Err(SipReply::new(415).with_reason("Unsupported Content-Transfer-Encoding")),
    }
}

#[cfg(test)]
mod tests {
    use msrp_ua::sip::{PageId, SipParty};

    use super::*;

    fn page(encoding: &str, body: &str) -> SipPage {
        let party = || SipParty::new("sip:a@ex.com");
        SipPage::new(
            PageId::incoming(1),
            party(),
            party(),
            "text/plain",
            body.to_owned(),
        )
        .with_header("Content-Transfer-Encoding", encoding)
    }

    // shows: GW-51, 8591-5-02
    #[test]
    fn encodings_are_undone() {
        for (encoding, body, plain) in [
            ("base64", "SGVs\r\nbG8=", "Hello"),
            ("BASE64", "SGVsbG8", "Hello"),
            ("quoted-printable", "caf=C3=A9", "café"),
            ("binary", "=41", "=41"),
        ] {
            assert_eq!(decoded(&page(encoding, body)).unwrap(), plain, "{encoding}");
        }
        assert_eq!(decoded(&page("base64", "!!!")).unwrap_err().code, 400);
        assert_eq!(decoded(&page("x-uue", "x")).unwrap_err().code, 415);
        let squeezed = page("binary", "x").with_header("Content-Encoding", "gzip");
        let refusal = decoded(&squeezed).unwrap_err();
        assert_eq!(refusal.code, 415);
        assert_eq!(refusal.headers[0].name, "Accept-Encoding");
    }
}
