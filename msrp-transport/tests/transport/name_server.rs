//! A DNS server for tests, on loopback.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME, SRV},
    },
};

/// What the server does with a question about a name.
#[derive(Clone, Debug)]
enum Answer {
    Records(Vec<RData>),
    Silence,
    ServerFailure,
}

type Zone = BTreeMap<String, Answer>;

/// Answers over UDP and TCP until the test's process ends.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    zone: Zone,
    /// Names, types and transports of the questions, in their order.
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// A server that knows no names. It answers once it is [`start`](Self::start)ed.
    pub(crate) fn new() -> Self {
        Self {
            address: ([127, 0, 0, 1], 0).into(),
            zone: Zone::new(),
            asked: Arc::default(),
        }
    }

    fn add(mut self, name: &str, data: RData) -> Self {
        let answer = self
            .zone
            .entry(name.to_owned())
            .or_insert(Answer::Records(Vec::new()));
        if let Answer::Records(records) = answer {
            records.push(data);
        }
        self
    }

    pub(crate) fn srv(self, host: &str, priority: u16, weight: u16, port: u16, target: &str) -> Self {
        let data = SRV::new(priority, weight, port, Name::from_ascii(target).unwrap());
        self.add(&format!("_msrps._tcp.{host}"), RData::SRV(data))
    }

    pub(crate) fn address(self, host: &str, ip: &str) -> Self {
        let data = match ip.parse().unwrap() {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        };
        self.add(host, data)
    }

    pub(crate) fn alias(self, host: &str, target: &str) -> Self {
        let target = Name::from_ascii(target).unwrap();
        self.add(host, RData::CNAME(CNAME(target)))
    }

    pub(crate) fn silent(mut self, name: &str) -> Self {
        self.zone.insert(name.to_owned(), Answer::Silence);
        self
    }

    pub(crate) fn failing(mut self, name: &str) -> Self {
        self.zone.insert(name.to_owned(), Answer::ServerFailure);
        self
    }

    pub(crate) fn start(mut self) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        self.address = udp.local_addr().unwrap();
        let (zone, asked) = (self.zone.clone(), self.asked.clone());
        std::thread::spawn(move || {
            let mut question = [0; 4096];
            while let Ok((len, from)) = udp.recv_from(&mut question) {
                if let Some(answer) = answer(&question[..len], &zone, &asked, "udp") {
                    let _client_gone = udp.send_to(&answer, from);
                }
            }
        });
        let (zone, asked) = (self.zone.clone(), self.asked.clone());
        std::thread::spawn(move || {
            for mut stream in tcp.incoming().flatten() {
                let (zone, asked) = (zone.clone(), asked.clone());
                std::thread::spawn(move || {
                    let mut len = [0; 2];
                    while stream.read_exact(&mut len).is_ok() {
                        let mut question = vec![0; usize::from(u16::from_be_bytes(len))];
                        stream.read_exact(&mut question).unwrap();
                        if let Some(answer) = answer(&question, &zone, &asked, "tcp") {
                            stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
                            stream.write_all(&answer).unwrap();
                        }
                    }
                });
            }
        });
        self
    }

    /// What was asked since the last call, such as `example.com. A udp`.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// More than this is cut off over UDP, however much the client says that it takes.
const MOST: usize = 512;

fn answer(question: &[u8], zone: &Zone, asked: &Mutex<Vec<String>>, transport: &str) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).unwrap();
    let query = question.queries.first()?.clone();
    let name = query.name().to_ascii().to_ascii_lowercase();
    asked
        .lock()
        .unwrap()
        .push(format!("{name} {} {transport}", query.query_type()));
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata.recursion_available = true;
    message.metadata.recursion_desired = true;
    message.add_query(query.clone());
    match zone.get(name.trim_end_matches('.')) {
        None => message.metadata.response_code = ResponseCode::NXDomain,
        Some(Answer::Silence) => return None,
        Some(Answer::ServerFailure) => message.metadata.response_code = ResponseCode::ServFail,
        Some(Answer::Records(records)) => {
            for data in records {
                let matches = [query.query_type(), RecordType::CNAME].contains(&data.record_type());
                if matches {
                    message.add_answer(Record::from_rdata(query.name().clone(), 60, data.clone()));
                }
            }
        }
    }
    let octets = message.to_vec().unwrap();
    if transport == "udp" && octets.len() > MOST {
        message.answers.clear();
        message.metadata.truncation = true;
        return Some(message.to_vec().unwrap());
    }
    Some(octets)
}
