//! REPORTs about what we have received, and those about what we have sent.

use bytes::BytesMut;
use msrp_core::{
    codec::Head,
    connection::OutgoingRequest,
    grammar::{ByteRange, FailureReport, MessageId, Method, Status, StatusCode},
};

use crate::{names::SessionId, user_agent::UserAgent};

impl UserAgent {
    /// Sends a REPORT; one that cannot be delivered is not sent (RFC 4975 §7.1.2).
    pub(crate) fn send_report(
        &mut self,
        session: SessionId,
        message_id: MessageId,
        to_path: &[u8],
        code: StatusCode,
        range: ByteRange,
    ) {
        let now = self.now;
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let Some(handle) = entry.connection() else { return };
        let from_path = entry.params.local.as_bytes().clone();
        let mut octets = BytesMut::new();
        range.write_to(&mut octets);
        let status = Status::new(code).to_string();
        let Some((connection, _)) = self.table.get_mut(handle) else {
            return;
        };
        let sent = connection.send_request(
            now,
            &OutgoingRequest {
                method: Method::Report,
                to_path,
                from_path: &from_path,
                headers: &[
                    ("Message-ID", message_id.as_bytes()),
                    ("Byte-Range", &octets),
                    ("Status", status.as_bytes()),
                ],
                body: None,
                failure_report: FailureReport::No,
                tag: None,
            },
        );
        if let Err(error) = sent {
            tracing::debug!(%error, "REPORT not sent");
        }
        self.table.mark_ready(handle);
    }

    /// A REPORT has come. Whatever is wrong with it, it is never answered (RFC 4975 §7.1.2).
    pub(crate) fn on_report_request(&mut self, session: SessionId, head: &Head) {
        let (Ok(Some(message_id)), Ok(Some(status)), Ok(range)) =
            (head.message_id(), head.status(), head.byte_range())
        else {
            return;
        };
        // Codes of another namespace mean something that is not known here (RFC 4975 §7.1.3).
        if status.namespace != 0 {
            return;
        }
        self.on_report(session, message_id, range, status.code);
    }
}
