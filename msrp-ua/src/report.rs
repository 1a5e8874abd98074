//! REPORTs about what we have received, and those about what we have sent.

use bytes::{Bytes, BytesMut};
use msrp_core::{
    codec::Head,
    connection::{OutgoingRequest, SendError},
    grammar::{ByteRange, FailureReport, MessageId, Method, Status, StatusCode},
    node::ConnectionHandle,
};

use crate::{error::CommandError, names::IncomingKey, names::SessionId, user_agent::UserAgent};

/// REPORTs that wait for room on one connection at the most; more come from the application only.
const MAX_DELAYED: usize = 256;

/// A REPORT that found no room.
#[derive(Debug)]
pub(crate) struct DelayedReport {
    session: SessionId,
    message_id: MessageId,
    to_path: Bytes,
    status: String,
    range: ByteRange,
}

impl UserAgent {
    /// Tells the sender of a message what became of it where it was passed on to.
    ///
    /// With 200 a success report is sent, if the sender has asked for one and the session has
    /// [manual reports](crate::SessionParams::manual_reports); with another code a failure report, unless the sender wants
    /// none (RFC 4975 §7.1.3, §7.1.4). It works for the newest messages of a session only,
    /// [as many as are remembered](crate::UserAgentConfig::remembered), and with 200 once for each.
    ///
    /// # Errors
    /// [`CommandError::UnknownSession`], [`CommandError::UnknownMessage`].
    pub fn report(
        &mut self,
        session: SessionId,
        message: IncomingKey,
        code: StatusCode,
    ) -> Result<(), CommandError> {
        self.report_saying(session, message, code, code.phrase())
    }

    /// As [`report`](Self::report), with a comment of the caller's instead of the usual phrase: what was said where the
    /// message was passed on to.
    ///
    /// # Errors
    /// [`CommandError::UnknownSession`], [`CommandError::UnknownMessage`], and [`CommandError::Grammar`] for a comment that
    /// cannot stand in a header field.
    pub fn report_saying(
        &mut self,
        session: SessionId,
        message: IncomingKey,
        code: StatusCode,
        comment: &str,
    ) -> Result<(), CommandError> {
        let status = format!("000 {code} {comment}");
        Status::parse(status.as_bytes())?;
        let entry = self
            .sessions
            .get_mut(session)
            .ok_or(CommandError::UnknownSession)?;
        let received = entry
            .received
            .iter_mut()
            .find(|received| received.message == message)
            .ok_or(CommandError::UnknownMessage)?;
        let wanted = if code.is_success() {
            std::mem::take(&mut received.success_due)
        } else {
            received.success_due = false;
            received.failure_report != FailureReport::No
        };
        if wanted && !received.back.is_empty() {
            let (message_id, back) = (received.message_id, received.back.clone());
            let range = ByteRange::whole(received.size);
            self.send_report(session, message_id, back, status, range);
        }
        Ok(())
    }

    /// Sends a REPORT; one that cannot be delivered any more is not sent (RFC 4975 §7.1.2).
    pub(crate) fn send_report(
        &mut self,
        session: SessionId,
        message_id: MessageId,
        to_path: Bytes,
        status: String,
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
        let Some((connection, peer)) = self.table.get_mut(handle) else {
            return;
        };
        let sent = connection.send_request(
            now,
            &OutgoingRequest {
                method: Method::Report,
                to_path: &to_path,
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
        match sent {
            Ok(_) => self.table.mark_ready(handle),
            Err(SendError::Blocked) if peer.delayed.reports.len() < MAX_DELAYED => {
                peer.delayed.reports.push_back(DelayedReport {
                    session,
                    message_id,
                    to_path,
                    status,
                    range,
                });
            }
            Err(error) => tracing::debug!(%error, "REPORT not sent"),
        }
    }

    /// There is room again for what had to wait.
    pub(crate) fn send_delayed(&mut self, handle: ConnectionHandle) {
        let Some((_, peer)) = self.table.get_mut(handle) else {
            return;
        };
        let delayed = std::mem::take(&mut peer.delayed);
        for report in delayed.reports {
            self.send_report(
                report.session,
                report.message_id,
                report.to_path,
                report.status,
                report.range,
            );
        }
        for session in delayed.bodiless {
            self.send_bodiless(session);
        }
        for registration in delayed.auth {
            self.send_delayed_auth(registration);
        }
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
