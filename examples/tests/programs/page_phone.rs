//! A phone that only knows MESSAGE, made of a UDP socket.

use std::{
    collections::{HashMap, VecDeque},
    net::{SocketAddr, UdpSocket},
    time::Instant,
};

use crate::running::PATIENCE;

/// A SIP message, as far as a phone looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Sip {
    pub(crate) start: String,
    head: String,
    pub(crate) body: String,
}

impl Sip {
    fn parse(octets: &[u8]) -> Self {
        let text = String::from_utf8(octets.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (start, head) = head.split_once("\r\n").unwrap();
        Self {
            start: start.to_owned(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The values of a header field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(field, _)| field.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.all(name)
            .first()
            .copied()
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    fn code(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }
}

/// The phone. It shows plain text, refuses all else, and answers as long as somebody waits for something.
pub(crate) struct PagePhone {
    user: &'static str,
    socket: UdpSocket,
    gateway: SocketAddr,
    requests: u32,
    /// What it answers with.
    pub(crate) code: Option<u16>,
    /// What has come and nobody has asked for.
    inbox: VecDeque<(Sip, SocketAddr)>,
    /// What has come at all, by its branch: none as long as there is no answer.
    known: HashMap<String, Option<u16>>,
    answers: HashMap<String, Sip>,
}

impl PagePhone {
    /// A phone that sends by way of this address.
    pub(crate) fn new(user: &'static str, gateway: SocketAddr) -> Self {
        Self::on(UdpSocket::bind("127.0.0.1:0").unwrap(), user, gateway)
    }

    /// As [`new`](Self::new), on a socket whose port is known before there is a gateway.
    pub(crate) fn on(socket: UdpSocket, user: &'static str, gateway: SocketAddr) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            user,
            socket,
            gateway,
            requests: 0,
            code: Some(200),
            inbox: VecDeque::new(),
            known: HashMap::new(),
            answers: HashMap::new(),
        }
    }

    /// Writes to somebody, and waits for the final answer.
    #[track_caller]
    pub(crate) fn writes(&mut self, to: &str, text: &str) -> Sip {
        self.writes_with(to, text, "")
    }

    /// The same with more header fields, each with its line end.
    #[track_caller]
    pub(crate) fn writes_with(&mut self, to: &str, text: &str, more: &str) -> Sip {
        self.requests += 1;
        let (user, n) = (self.user, self.requests);
        let here = self.socket.local_addr().unwrap();
        let call_id = format!("{user}-{n}-{}", here.port());
        let length = text.len();
        let request = format!(
            "MESSAGE {to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{call_id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@127.0.0.1>;tag=t{n}\r\nTo: <{to}>\r\nCall-ID: {call_id}\r\nCSeq: {n} MESSAGE\r\n\
             {more}Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{text}"
        );
        self.socket.send_to(request.as_bytes(), self.gateway).unwrap();
        let begun = Instant::now();
        loop {
            if let Some(answer) = self.answers.remove(&call_id) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "no answer to {text:?}");
            self.hear();
        }
    }

    /// Waits for a MESSAGE of somebody.
    #[track_caller]
    pub(crate) fn reads(&mut self) -> Sip {
        let begun = Instant::now();
        loop {
            if let Some((message, _)) = self.inbox.pop_front() {
                return message;
            }
            assert!(begun.elapsed() < PATIENCE, "nothing comes");
            self.hear();
        }
    }

    /// Answers what it has left unanswered.
    pub(crate) fn answers_late(&mut self, message: &Sip, code: u16) {
        self.known.insert(branch(message), Some(code));
        self.answer(message, self.gateway, code);
    }

    fn answer(&self, message: &Sip, to: SocketAddr, code: u16) {
        let lines = |name: &str| -> String {
            let values = message.all(name);
            values
                .iter()
                .map(|value| format!("{name}: {value}\r\n"))
                .collect()
        };
        let answer = format!(
            "SIP/2.0 {code} Said\r\n{}{}To: {};tag=phone\r\n{}{}Content-Length: 0\r\n\r\n",
            lines("Via"),
            lines("From"),
            message.header("To"),
            lines("Call-ID"),
            lines("CSeq"),
        );
        self.socket.send_to(answer.as_bytes(), to).unwrap();
    }

    fn hear(&mut self) {
        let mut room = [0; 65_536];
        let (length, from) = self.socket.recv_from(&mut room).expect("something comes");
        if room[..length].trim_ascii().is_empty() {
            return;
        }
        let message = Sip::parse(&room[..length]);
        match message.code() {
            Some(100..200) => {}
            Some(_) => {
                let call_id = message.header("Call-ID").to_owned();
                self.answers.insert(call_id, message);
            }
            None => {
                assert!(message.start.starts_with("MESSAGE "), "{message:?}");
                // It may be sent again, as by UDP.
                let known = self.known.get(&branch(&message)).copied();
                let is_text = message.header("Content-Type").starts_with("text/plain");
                let code = known.unwrap_or(if is_text { self.code } else { Some(415) });
                if let Some(code) = code {
                    self.answer(&message, from, code);
                }
                if known.is_none() {
                    self.known.insert(branch(&message), code);
                    if is_text {
                        self.inbox.push_back((message, from));
                    }
                }
            }
        }
    }
}

fn branch(message: &Sip) -> String {
    let via = message.header("Via");
    via.split("branch=")
        .nth(1)
        .unwrap()
        .split([';', ','])
        .next()
        .unwrap()
        .to_owned()
}

/// The code of an answer.
pub(crate) fn code(answer: &Sip) -> u16 {
    answer.code().unwrap()
}
