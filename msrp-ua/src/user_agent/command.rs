//! What an application says from another thread.

use msrp_core::grammar::StatusCode;

use super::UserAgent;
use crate::{
    call::{CallAnswer, FileOffer, OutgoingCall, StreamId},
    error::CommandError,
    message::{OutgoingMessage, incoming::Accept},
    names::{IncomingKey, OutgoingKey, RegistrationId, SessionId},
    relay_client::RelayAccount,
    session::SessionParams,
    sip::{CallId, PageId, SipInput, SipPage, SipReply},
};

/// What is to be done with a user agent where it lives.
type Call = Box<dyn FnOnce(&mut UserAgent) -> Result<(), CommandError> + Send>;

/// What an application can tell a user agent from another thread.
///
/// Who needs what the methods return (the key of a message, the name of a session) uses [`call`](Self::call).
#[non_exhaustive]
pub enum UserAgentCommand {
    /// See [`UserAgent::register`].
    Register(Box<RelayAccount>),
    /// See [`UserAgent::register_chain`].
    RegisterChain(Vec<RelayAccount>),
    /// See [`UserAgent::unregister`].
    Unregister(RegistrationId),
    /// See [`UserAgent::open_session`].
    OpenSession(Box<SessionParams>),
    /// See [`UserAgent::close_session`].
    CloseSession(SessionId),
    /// See [`UserAgent::send`].
    Send(SessionId, Box<OutgoingMessage>),
    /// See [`UserAgent::cancel`].
    Cancel(OutgoingKey),
    /// See [`UserAgent::source_ready`].
    SourceReady(OutgoingKey),
    /// See [`UserAgent::accept`].
    Accept(IncomingKey, Accept),
    /// See [`UserAgent::reject`].
    Reject(IncomingKey, StatusCode),
    /// See [`UserAgent::report`].
    Report(SessionId, IncomingKey, StatusCode),
    /// See [`UserAgent::call`].
    MakeCall(Box<OutgoingCall>),
    /// See [`UserAgent::ring`].
    Ring(CallId),
    /// See [`UserAgent::answer_call`].
    AnswerCall(CallId, Box<CallAnswer>),
    /// See [`UserAgent::refuse_call`].
    RefuseCall(CallId, SipReply),
    /// See [`UserAgent::end_call`].
    EndCall(CallId),
    /// See [`UserAgent::answer_streams`].
    AnswerStreams(CallId, Box<CallAnswer>),
    /// See [`UserAgent::offer_file`].
    OfferFile(CallId, Box<FileOffer>),
    /// See [`UserAgent::abort_file`].
    AbortFile(CallId, StreamId),
    /// See [`UserAgent::handle_sip`].
    Sip(Box<SipInput>),
    /// See [`UserAgent::send_page`].
    SendPage(Box<SipPage>),
    /// See [`UserAgent::answer_page`].
    AnswerPage(PageId, SipReply),
    /// Anything, see [`call`](Self::call).
    Call(Call),
    /// See [`UserAgent::shut_down`].
    ShutDown,
}

impl UserAgentCommand {
    /// Does something with the user agent where it lives, quickly and without waiting for anything.
    ///
    /// ```
    /// # use std::sync::mpsc::channel;
    /// # use msrp_ua::{OutgoingMessage, SessionId, UserAgentCommand};
    /// # fn say(session: SessionId) {
    /// let (key_is, key) = channel();
    /// let command = UserAgentCommand::call(move |agent| {
    ///     let sent = agent.send(session, OutgoingMessage::text("Hello"))?;
    ///     let _nobody_waits = key_is.send(sent);
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn call(what: impl FnOnce(&mut UserAgent) -> Result<(), CommandError> + Send + 'static) -> Self {
        UserAgentCommand::Call(Box::new(what))
    }
}

impl std::fmt::Debug for UserAgentCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            UserAgentCommand::Register(_) => "Register",
            UserAgentCommand::RegisterChain(_) => "RegisterChain",
            UserAgentCommand::Unregister(_) => "Unregister",
            UserAgentCommand::OpenSession(_) => "OpenSession",
            UserAgentCommand::CloseSession(_) => "CloseSession",
            UserAgentCommand::Send(..) => "Send",
            UserAgentCommand::Cancel(_) => "Cancel",
            UserAgentCommand::SourceReady(_) => "SourceReady",
            UserAgentCommand::Accept(..) => "Accept",
            UserAgentCommand::Reject(..) => "Reject",
            UserAgentCommand::Report(..) => "Report",
            UserAgentCommand::MakeCall(_) => "MakeCall",
            UserAgentCommand::Ring(_) => "Ring",
            UserAgentCommand::AnswerCall(..) => "AnswerCall",
            UserAgentCommand::RefuseCall(..) => "RefuseCall",
            UserAgentCommand::EndCall(_) => "EndCall",
            UserAgentCommand::AnswerStreams(..) => "AnswerStreams",
            UserAgentCommand::OfferFile(..) => "OfferFile",
            UserAgentCommand::AbortFile(..) => "AbortFile",
            UserAgentCommand::Sip(_) => "Sip",
            UserAgentCommand::SendPage(_) => "SendPage",
            UserAgentCommand::AnswerPage(..) => "AnswerPage",
            UserAgentCommand::Call(_) => "Call",
            UserAgentCommand::ShutDown => "ShutDown",
        })
    }
}

impl UserAgent {
    pub(super) fn on_command(&mut self, command: UserAgentCommand) -> Result<(), CommandError> {
        match command {
            UserAgentCommand::Register(account) => self.register(*account).map(|_| ()),
            UserAgentCommand::RegisterChain(accounts) => self.register_chain(accounts).map(|_| ()),
            UserAgentCommand::Unregister(id) => self.unregister(id),
            UserAgentCommand::OpenSession(params) => self.open_session(*params).map(|_| ()),
            UserAgentCommand::CloseSession(id) => self.close_session(id),
            UserAgentCommand::Send(id, message) => self.send(id, *message).map(|_| ()),
            UserAgentCommand::Cancel(key) => self.cancel(key),
            UserAgentCommand::SourceReady(key) => {
                self.source_ready(key);
                Ok(())
            }
            UserAgentCommand::Accept(key, how) => self.accept(key, how),
            UserAgentCommand::Reject(key, code) => self.reject(key, code),
            UserAgentCommand::Report(session, key, code) => self.report(session, key, code),
            UserAgentCommand::MakeCall(call) => self.call(*call).map(|_| ()),
            UserAgentCommand::Ring(call) => self.ring(call),
            UserAgentCommand::AnswerCall(call, answer) => self.answer_call(call, *answer),
            UserAgentCommand::RefuseCall(call, reply) => self.refuse_call(call, reply),
            UserAgentCommand::EndCall(call) => self.end_call(call),
            UserAgentCommand::AnswerStreams(call, answer) => self.answer_streams(call, *answer),
            UserAgentCommand::OfferFile(call, file) => self.offer_file(call, *file).map(|_| ()),
            UserAgentCommand::AbortFile(call, stream) => self.abort_file(call, stream),
            UserAgentCommand::Sip(input) => {
                self.handle_sip(self.now, *input);
                Ok(())
            }
            UserAgentCommand::SendPage(page) => {
                self.send_page(*page);
                Ok(())
            }
            UserAgentCommand::AnswerPage(page, reply) => {
                self.answer_page(page, reply);
                Ok(())
            }
            UserAgentCommand::Call(call) => call(self),
            UserAgentCommand::ShutDown => {
                self.shut_down();
                Ok(())
            }
        }
    }
}
