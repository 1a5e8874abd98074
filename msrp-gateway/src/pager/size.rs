//! How large a MESSAGE becomes on the wire (RFC 3428 §8).

use msrp_ua::sip::{SipPage, SipParty};

/// What a MESSAGE may have in all where a hop may be UDP.
pub const UDP_LIMIT: usize = 1300;

fn line(name: &str, value: usize) -> usize {
    // `Name: value` and the line end.
    name.len() + 2 + value + 2
}

fn party(party: &SipParty) -> usize {
    // `"name" <uri>`, each character of the name escaped at worst.
    party.uri.len() + 2 + party.display_name.as_ref().map_or(0, |name| name.len() * 2 + 3)
}

/// The octets of a MESSAGE with its header fields. `stack` is what the SIP stack adds: Via, tags, Call-ID, CSeq,
/// Max-Forwards, User-Agent, credentials.
pub fn wire_size(page: &SipPage, stack: usize) -> usize {
    let headers: usize = page
        .headers
        .iter()
        .map(|header| line(&header.name, header.value.len()))
        .sum();
    "MESSAGE  SIP/2.0\r\n".len()
        + page.request_uri.len()
        + line("From", party(&page.from))
        + line("To", party(&page.to))
        // `<uri;lr>`
        + page.route.as_ref().map_or(0, |route| line("Route", route.len() + 5))
        + headers
        + page.content_type.as_ref().map_or(0, |it| line("Content-Type", it.len()))
        + line("Content-Length", 5)
        + 2
        + page.body.len()
        + stack
}

#[cfg(test)]
mod tests {
    use super::*;
    use msrp_ua::sip::PageId;

    #[test]
    fn it_is_what_a_stack_would_write() {
        let from = SipParty::new("sip:a@ex.com").with_display_name("Al");
        let page = SipPage::new(
            PageId::outgoing(1),
            from,
            SipParty::new("sip:b@ex.com"),
            "text/plain",
            "Hello",
        )
        .with_route("sip:p.ex.com")
        .with_header("Subject", "x");
        let written = "MESSAGE sip:b@ex.com SIP/2.0\r\nFrom: \"Al\" <sip:a@ex.com>\r\nTo: <sip:b@ex.com>\r\n\
            Route: <sip:p.ex.com;lr>\r\nSubject: x\r\nContent-Type: text/plain\r\nContent-Length: 00005\r\n\r\nHello";
        // Two octets for a name that may need escapes.
        assert_eq!(wire_size(&page, 0), written.len() + 2);
        assert_eq!(wire_size(&page, 400), written.len() + 402);
    }
}
