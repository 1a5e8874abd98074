//! Transactions: each is driven by a task of its own, because what the stack gives must be read to its end.

use std::{net::SocketAddr, sync::Arc};

use rsipstack::{
    sip::{HeadersExt, Method, Request, SipMessage},
    transaction::{
        Transaction, TransactionReceiver,
        key::{TransactionKey, TransactionRole},
    },
};

use super::{
    compose::{self, UDP_LIMIT},
    config::{LargePages, SipTransport},
    fields,
    flow::Flow,
    happening::{ClientId, Happening, ServerId},
    sockets::Sockets,
};

/// Where a request goes.
#[derive(Clone)]
pub(super) enum Hop {
    /// By an open way, or if it has closed, to a URI.
    Flow(Box<Flow>, String),
    /// To where this URI leads.
    Uri(String),
}

/// A request that is to leave.
pub(super) struct Departure {
    pub(super) request: Request,
    pub(super) hop: Hop,
    /// Given, the request keeps its `Via`: a CANCEL, which names its INVITE so.
    pub(super) as_it_is: bool,
}

/// A request could not leave.
struct Unsendable {
    /// What stands for the answer.
    code: u16,
    why: String,
}

impl Unsendable {
    fn new(code: u16, why: String) -> Self {
        Self { code, why }
    }
}

impl Hop {
    async fn flow(&self, sockets: &Arc<Sockets>) -> Result<Flow, Unsendable> {
        let uri = match self {
            Self::Flow(flow, _) if flow.stream.is_none() || flow.is_open_stream() => {
                return Ok((**flow).clone());
            }
            Self::Flow(_, uri) | Self::Uri(uri) => uri,
        };
        let uri = fields::uri(uri).map_err(|fault| Unsendable::new(503, fault.to_string()))?;
        let unreachable = |fault| Unsendable::new(503, fault);
        let target = sockets.target(&uri).await.map_err(unreachable)?;
        sockets.flow_to(&target).await.map_err(unreachable)
    }
}

/// Finds the way for a request, and makes the request fit for it.
async fn address(sockets: &Arc<Sockets>, departure: &mut Departure) -> Result<Flow, Unsendable> {
    let mut flow = departure.hop.flow(sockets).await?;
    if departure.as_it_is {
        return Ok(flow);
    }
    let branch = compose::branch();
    compose::address(&mut departure.request, sockets, &flow, &branch);
    sockets.challenges().answer(&mut departure.request, flow.remote);
    let request = &departure.request;
    if flow.transport == SipTransport::Udp && request.to_bytes().len() > UDP_LIMIT {
        let page = request.method == Method::Message;
        if page && let LargePages::Refuse(code) = sockets.config.large_pages {
            return Err(Unsendable::new(code, "too long for UDP".to_owned()));
        }
        let target = super::sockets::Target {
            transport: SipTransport::Tcp,
            address: flow.remote,
            host: flow.remote.ip().to_string(),
        };
        match sockets.flow_to(&target).await {
            Ok(stream) => {
                flow = stream;
                compose::address(&mut departure.request, sockets, &flow, &branch);
            }
            // RFC 3261 §18.1.1 lets others than MESSAGE try UDP then.
            Err(fault) if page => return Err(Unsendable::new(503, fault)),
            Err(_) => {}
        }
    }
    Ok(flow)
}

/// Sends a request and tells what comes of it.
pub(super) fn start_client(sockets: &Arc<Sockets>, id: ClientId, mut departure: Departure) {
    let sockets = Arc::clone(sockets);
    tokio::spawn(async move {
        if let Err(Unsendable { code, why }) = run_client(&sockets, id, &mut departure).await {
            sockets.tell(Happening::Unsent(id, code, why)).await;
        }
    });
}

fn unfit(fault: rsipstack::Error) -> Unsendable {
    Unsendable::new(500, fault.to_string())
}

async fn run_client(
    sockets: &Arc<Sockets>,
    id: ClientId,
    departure: &mut Departure,
) -> Result<(), Unsendable> {
    let flow = address(sockets, departure).await?;
    let request = departure.request.clone();
    let key = TransactionKey::from_request(&request, TransactionRole::Client).map_err(unfit)?;
    let connection = Some(flow.connection.clone());
    let mut transaction =
        Transaction::new_client(key, request.clone(), Arc::clone(&sockets.endpoint), connection);
    transaction.destination = flow.destination();
    let stop = transaction.tu_sender.clone();
    let request = Box::new(request);
    sockets
        .tell(Happening::Sent {
            id,
            request,
            flow,
            stop,
        })
        .await;
    transaction.send().await.map_err(unfit)?;
    while let Some(message) = transaction.receive().await {
        if let SipMessage::Response(response) = message {
            sockets.tell(Happening::Response(id, Box::new(response))).await;
        }
    }
    sockets.tell(Happening::ClientEnded(id)).await;
    Ok(())
}

/// Sends the ACK for a 2xx, which is no transaction.
pub(super) fn acknowledge(sockets: &Arc<Sockets>, request: Request, hop: Hop) {
    let sockets = Arc::clone(sockets);
    tokio::spawn(async move {
        let mut departure = Departure {
            request,
            hop,
            as_it_is: false,
        };
        // The peer sends its 2xx again if no ACK comes.
        let Ok(flow) = address(&sockets, &mut departure).await else {
            return;
        };
        resend(&flow, &departure.request).await;
        sockets
            .tell(Happening::Acknowledged(Box::new(departure.request), flow))
            .await;
    });
}

/// Sends an ACK once more.
pub(super) async fn resend(flow: &Flow, request: &Request) {
    drop(
        flow.connection
            .send(request.clone().into(), flow.destination().as_ref())
            .await,
    );
}

/// Takes what others begin, until the adapter ends.
pub(super) async fn serve(sockets: Arc<Sockets>, mut incoming: TransactionReceiver) {
    let mut last = 0;
    while let Some(transaction) = incoming.recv().await {
        last += 1;
        let id = ServerId(last);
        let sockets = Arc::clone(&sockets);
        tokio::spawn(async move { run_server(&sockets, id, transaction).await });
    }
}

async fn run_server(sockets: &Arc<Sockets>, id: ServerId, mut transaction: Transaction) {
    let flow = transaction
        .connection
        .as_ref()
        .zip(transaction.original.via_header().ok())
        .and_then(|(connection, via)| sockets.flow_of(connection, via));
    // The connection by which it came has closed meanwhile.
    let Some(flow) = flow else { return };
    let reliable = flow.stream.is_some();
    let request = Box::new(transaction.original.clone());
    let reply = transaction.tu_sender.clone();
    sockets
        .tell(Happening::Request {
            id,
            request,
            flow,
            reply,
        })
        .await;
    while let Some(message) = transaction.receive().await {
        match message {
            SipMessage::Request(request) if request.method == Method::Ack => {
                sockets.tell(Happening::Ack(id, Box::new(request))).await;
            }
            SipMessage::Request(request) if request.method == Method::Cancel => {
                sockets.tell(Happening::Cancel(id)).await;
            }
            _ => {}
        }
    }
    // By TCP and TLS nothing is sent again (RFC 3261 §17.2.2, Timer J); the stack would keep the answer all the same.
    let keep = transaction.original.method == Method::Invite || !reliable;
    let key = transaction.key.clone();
    drop(transaction);
    if !keep {
        sockets.endpoint.finished_transactions.remove(&key);
    }
    sockets.tell(Happening::ServerEnded(id)).await;
}

/// Whether a host's word about who calls is believed.
pub(super) fn is_trusted(sockets: &Sockets, from: SocketAddr) -> bool {
    sockets.config.trusted.contains(&from.ip())
}
