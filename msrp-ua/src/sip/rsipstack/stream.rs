//! Connections by TCP and TLS.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
};

use bytes::BytesMut;
use rsipstack::transport::{SipConnection, TransportEvent, channel::ChannelConnection};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    config::SipTransport,
    flow::Stream,
    frame::{self, Frame},
    receive,
    sockets::{Sockets, Target, sip_addr, to_stack},
};

trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Octets for T {}

/// Messages that wait for a connection to take them; whoever would send one more waits.
const QUEUE: usize = 32;

/// Takes connections until the adapter ends.
pub(super) async fn listen(sockets: Arc<Sockets>, listener: TcpListener, transport: SipTransport) {
    loop {
        let Ok((tcp, remote)) = listener.accept().await else {
            // Out of descriptors: the next one comes when others have gone.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        if sockets.is_full() {
            continue;
        }
        let sockets = Arc::clone(&sockets);
        tokio::spawn(async move {
            drop(accept(&sockets, tcp, remote, transport).await);
        });
    }
}

async fn accept(
    sockets: &Arc<Sockets>,
    tcp: TcpStream,
    remote: SocketAddr,
    transport: SipTransport,
) -> Result<(), String> {
    let text = |fault: std::io::Error| fault.to_string();
    tcp.set_nodelay(true).map_err(text)?;
    let local = tcp.local_addr().map_err(text)?;
    let octets: Box<dyn Octets> = match (transport, sockets.config.tls.server()) {
        (SipTransport::Tls, Some(config)) => {
            let handshake = TlsAcceptor::from(config).accept(tcp);
            let tls = timeout(sockets.config.timers.connect, handshake)
                .await
                .map_err(|_| "no handshake".to_owned())?
                .map_err(text)?;
            Box::new(tls)
        }
        _ => Box::new(tcp),
    };
    start(sockets, octets, (transport, remote), local, false)
        .await
        .map(drop)
}

/// Opens a connection.
pub(super) async fn connect(sockets: &Arc<Sockets>, target: &Target) -> Result<Arc<Stream>, String> {
    let connecting = async {
        let text = |fault: std::io::Error| format!("{}: {fault}", target.address);
        let tcp = TcpStream::connect(target.address).await.map_err(text)?;
        tcp.set_nodelay(true).map_err(text)?;
        let local = tcp.local_addr().map_err(text)?;
        let octets: Box<dyn Octets> = if target.transport == SipTransport::Tls {
            let config = sockets.config.tls.client().ok_or("TLS is not set up")?;
            let name = rustls::pki_types::ServerName::try_from(target.host.clone())
                .map_err(|_| format!("{} is no name for TLS", target.host))?;
            Box::new(
                TlsConnector::from(config)
                    .connect(name, tcp)
                    .await
                    .map_err(text)?,
            )
        } else {
            Box::new(tcp)
        };
        Ok::<_, String>((octets, local))
    };
    let (octets, local) = timeout(sockets.config.timers.connect, connecting)
        .await
        .map_err(|_| format!("{}: no connection in time", target.address))??;
    start(sockets, octets, (target.transport, target.address), local, true).await
}

async fn start(
    sockets: &Arc<Sockets>,
    octets: Box<dyn Octets>,
    key: (SipTransport, SocketAddr),
    local: SocketAddr,
    ours: bool,
) -> Result<Arc<Stream>, String> {
    let (outgoing, queue) = mpsc::channel(QUEUE);
    let (flush, flushes) = mpsc::channel(1);
    // The stack only sends by this; what comes in is given to it by `receive`.
    let (_, nothing) = mpsc::unbounded_channel();
    let address = sip_addr(to_stack(key.0), key.1);
    let channel = ChannelConnection::create_connection_bounded(nothing, outgoing, address, None)
        .await
        .map_err(|fault| fault.to_string())?;
    let stream = Arc::new(Stream {
        key,
        local,
        connection: SipConnection::Channel(channel),
        open: AtomicBool::new(true),
        flush,
    });
    if !sockets.insert(Arc::clone(&stream)) {
        return Err("too many connections".to_owned());
    }
    let (read, write) = tokio::io::split(octets);
    let (pongs, pings) = mpsc::channel(1);
    let sockets = Arc::clone(sockets);
    let shared = Arc::clone(&stream);
    tokio::spawn(async move {
        tokio::select! {
            () = read_loop(&sockets, read, &shared, pongs) => {}
            () = write_loop(&sockets, write, (queue, flushes), pings, ours) => {}
        }
        sockets.remove(&shared).await;
    });
    Ok(stream)
}

async fn read_loop(
    sockets: &Arc<Sockets>,
    mut read: ReadHalf<Box<dyn Octets>>,
    stream: &Arc<Stream>,
    pongs: mpsc::Sender<()>,
) {
    let (limit, idle) = (sockets.config.limits.message, sockets.config.timers.idle);
    let (transport, from) = (to_stack(stream.key.0), stream.key.1);
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(4096);
        // A message that has begun has to end sooner than a silent connection.
        let patience = if buffer.is_empty() {
            idle
        } else {
            idle.min(sockets.config.timers.answer)
        };
        match timeout(patience, read.read_buf(&mut buffer)).await {
            Ok(Ok(length)) if length > 0 => {}
            _ => return,
        }
        loop {
            match frame::next(&mut buffer, limit) {
                Ok(Some(Frame::Message(octets))) => {
                    receive::message(sockets, &octets, stream.connection.clone(), from, transport).await;
                }
                Ok(Some(Frame::Ping)) => drop(pongs.try_send(())),
                Ok(Some(Frame::TooLong(head))) => {
                    receive::too_long(&head, stream.connection.clone(), from, transport).await;
                    // The answer is on its way; a peer that reads it will close.
                    discard(&mut read, sockets.config.timers.connect).await;
                    return;
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// Reads and forgets for a while, so that an answer is not lost with a reset.
async fn discard(read: &mut ReadHalf<Box<dyn Octets>>, time: std::time::Duration) {
    let reading = async {
        let mut octets = [0; 4096];
        while read.read(&mut octets).await.is_ok_and(|length| length > 0) {}
    };
    drop(timeout(time, reading).await);
}

async fn write_loop(
    sockets: &Arc<Sockets>,
    mut write: WriteHalf<Box<dyn Octets>>,
    (mut queue, mut flushes): (
        mpsc::Receiver<TransportEvent>,
        mpsc::Receiver<oneshot::Sender<()>>,
    ),
    mut pings: mpsc::Receiver<()>,
    ours: bool,
) {
    let time = sockets.config.timers.connect;
    let quiet = sockets.config.timers.idle / 3;
    loop {
        let mut flushed = None;
        let octets = tokio::select! {
            event = queue.recv() => match event {
                Some(TransportEvent::Incoming(message, ..)) => message.to_bytes(),
                Some(_) => continue,
                None => return,
            },
            ping = pings.recv() => match ping {
                Some(()) => b"\r\n".to_vec(),
                None => return,
            },
            Some(written) = flushes.recv() => {
                let mut octets = Vec::new();
                while let Ok(event) = queue.try_recv() {
                    if let TransportEvent::Incoming(message, ..) = event {
                        octets.extend(message.to_bytes());
                    }
                }
                flushed = Some(written);
                octets
            }
            () = tokio::time::sleep(quiet), if ours => b"\r\n\r\n".to_vec(),
        };
        let written = async {
            write.write_all(&octets).await?;
            write.flush().await
        };
        if !matches!(timeout(time, written).await, Ok(Ok(()))) {
            return;
        }
        if let Some(flushed) = flushed {
            // Whoever asked may have given up.
            let _nobody_waits = flushed.send(());
        }
    }
}
