//! Messages that ask, and notifications that answer.

use bytes::Bytes;
use msrp_ua::{
    cpim::{Address, Content, CpimMessage, CpimRules},
    imdn::{Answerable, ImdnError, Notice, Notification, notifications},
    xml::XmlLimits,
};

pub(crate) fn address(uri: &str) -> Address {
    Address::new(uri).unwrap()
}

pub(crate) fn bob() -> Address {
    address("im:bob@example.com")
}

pub(crate) fn open(octets: impl Into<Bytes>) -> Content {
    Content::open("message/cpim", None, octets.into(), &CpimRules::tolerant()).unwrap()
}

pub(crate) fn read(text: &str) -> Result<Notification, ImdnError> {
    Notification::parse(text.as_bytes(), &XmlLimits::default())
}

pub(crate) fn heard_in(content: &Content) -> Vec<Notification> {
    notifications(content, &XmlLimits::default()).unwrap().unwrap()
}

/// An IM that asks for these notifications, with some more headers.
pub(crate) fn asking(requests: &str, more: &str) -> Content {
    open(format!(
        "From: Alice <im:alice@example.com>\r\nTo: Bob <im:bob@example.com>\r\nNS: n <urn:ietf:params:imdn>\r\n\
         n.Message-ID: 34jk324j\r\nDateTime: 2006-04-04T12:16:49-05:00\r\nn.Disposition-Notification: {requests}\r\n{more}\r\n\
         Content-type: text/plain\r\n\r\nHello World"
    ))
}

pub(crate) fn answerable(requests: &str) -> Answerable {
    Answerable::of(&asking(requests, ""), &bob()).unwrap()
}

/// The notification as whoever asked gets it.
pub(crate) fn sent(notice: &Notice) -> (CpimMessage, Notification) {
    let message = notice.message("d834jied93rf").unwrap();
    let content = open(message.octets().clone());
    let mut all = heard_in(&content);
    assert_eq!(all.len(), 1);
    (message, all.remove(0))
}

pub(crate) fn document(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\n  \
         <message-id>34jk324j</message-id>\n  <datetime>2008-04-04T12:16:49-05:00</datetime>\n  \
         <recipient-uri>im:bob@example.com</recipient-uri>\n  <original-recipient-uri\n    \
         >im:bob@example.com</original-recipient-uri>\n  {inside}\n</imdn>\n"
    )
}

pub(crate) fn status(kind: &str, status: &str) -> String {
    document(&format!(
        "<{kind}-notification>\n<status>\n <{status}/> \n</status></{kind}-notification>"
    ))
}
