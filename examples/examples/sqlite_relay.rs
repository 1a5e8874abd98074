//! A relay between two networks whose policies are in a database, asked asynchronously: who the users are, who may connect,
//! who gets a URI and which of the relay's names stands in it, where messages may go and by which interface.
//!
//! `cargo run --example sqlite_relay` makes a database in memory, starts the relay on tokio, and lets clients try it.

mod client;

use std::{
    error::Error,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use client::Client;
use msrp_core::{
    digest::{Algorithm, Ha1},
    grammar::{Scheme, StatusCode},
    node::{ListenerId, PeerInfo, Target},
};
use msrp_examples::identity::self_signed;
use msrp_relay::{
    Relay, RelayConfig, RelayListener,
    policy::{
        Admission, AsyncAuthStore, AsyncPolicies, AsyncRelayPolicy, AsyncRoutePolicy, AuthRequest, Grant,
        NextHop, RouteQuery, Terms,
    },
};
use msrp_transport::{
    DriverConfig,
    driver::Driver,
    listen::{ListenOptions, bind},
    runtime::TokioRuntime,
    tls_config::{ClientCertificates, server_config},
};
use rusqlite::{Connection, OptionalExtension, Params};

/// The tables. `interface` counts the listeners: 0 is the office, 1 the other network.
const TABLES: &str = "
    CREATE TABLE users (name TEXT PRIMARY KEY, ha1 TEXT, minutes INTEGER, named_as INTEGER);
    CREATE TABLE banned (ip TEXT PRIMARY KEY);
    CREATE TABLE routes (host TEXT PRIMARY KEY, interface INTEGER);
    INSERT INTO banned VALUES ('127.0.0.66');
    INSERT INTO routes VALUES ('127.0.0.1', 1);
";

/// SQLite blocks, so it is asked on tokio's threads for that. Where it fails, the answer is no.
#[derive(Clone)]
struct Database(Arc<Mutex<Connection>>);

impl Database {
    fn open() -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(TABLES)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    fn add_user(&self, name: &str, password: &str, minutes: i64, named_as: i64) -> rusqlite::Result<usize> {
        let ha1 = Ha1::compute(Algorithm::Md5, name, "localhost", password);
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = (name, ha1.expose_hex(), minutes, named_as);
        connection.execute("INSERT INTO users VALUES (?, ?, ?, ?)", row)
    }

    /// The first two columns of the only row, if there is one.
    async fn row<T, U>(&self, query: &'static str, key: impl Params + Send + 'static) -> Option<(T, U)>
    where
        T: rusqlite::types::FromSql + Send + 'static,
        U: rusqlite::types::FromSql + Send + 'static,
    {
        let connection = self.0.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            connection
                .query_row(query, key, |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        });
        asked.await.ok()?.ok()?
    }
}

#[async_trait]
impl AsyncAuthStore for Database {
    async fn credentials(&self, _realm: &str, user: &str, _algorithm: Algorithm) -> Option<Ha1> {
        let query = "SELECT ha1, name FROM users WHERE name = ?";
        let (ha1, _): (String, String) = self.row(query, [user.to_owned()]).await?;
        Ha1::from_hex(&ha1).ok()
    }
}

#[async_trait]
impl AsyncRelayPolicy for Database {
    async fn admit(&self, peer: &PeerInfo) -> Admission {
        let ip = peer.remote.map(|remote| remote.ip().to_string());
        let query = "SELECT ip, 1 FROM banned WHERE ip = ?";
        match self.row::<String, i64>(query, [ip]).await {
            Some(_) => Admission::Refuse,
            None => Admission::Accept,
        }
    }

    async fn authorize(&self, request: &AuthRequest<'_>) -> Grant {
        let query = "SELECT minutes, named_as FROM users WHERE name = ? AND minutes > 0";
        match self.row::<u32, u16>(query, [request.user.to_owned()]).await {
            Some((minutes, named_as)) => Grant::AllowOn(
                Terms::new()
                    .at_most(Duration::from_secs(60) * minutes)
                    .named_as(ListenerId(named_as)),
            ),
            None => Grant::Deny,
        }
    }
}

#[async_trait]
impl AsyncRoutePolicy for Database {
    async fn next_hop(&self, query: &RouteQuery<'_>) -> NextHop {
        let (next, host) = (query.next, query.next.normalized_host());
        let sql = "SELECT interface, host FROM routes WHERE host = ?";
        match self.row::<u16, String>(sql, [host.clone()]).await {
            Some((interface, _)) => NextHop::Via(
                Target::new(next.scheme(), host, next.port()).with_interface(ListenerId(interface)),
            ),
            None => NextHop::Refuse(StatusCode::FORBIDDEN),
        }
    }
}

/// Tells the story on `out`. The second network is 127.0.0.2, which Linux has without being told.
pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let database = Database::open()?;
    database.add_user("alice", "a secret", 10, 1)?;
    database.add_user("bob", "b secret", 0, 0)?;
    let policies = AsyncPolicies::new()
        .auth_store(database.clone())
        .policy_with_admission(database.clone())
        .route_policy(database);

    let office = bind(([127, 0, 0, 1], 0).into(), ListenOptions::new())?;
    let other = bind(([127, 0, 0, 2], 0).into(), ListenOptions::new())?;
    let (office_port, other_port) = (office.local_addr()?.port(), other.local_addr()?.port());
    let config = policies.configure(
        RelayConfig::new("localhost")
            .hide_topology(true)
            .listener(ListenerId(0), Scheme::Msrps, office_port)
            .listen(RelayListener::new(ListenerId(1), Scheme::Msrps, other_port).host("relay.example.com")),
    );
    let relay = Relay::new(Instant::now(), config, msrp_examples::seed()?)?;
    let (identity, certificate) = self_signed(&["localhost".to_owned()])?;
    let tls = server_config(&identity, ClientCertificates::Ignored)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut driver = Driver::new(
        relay,
        DriverConfig::new(),
        TokioRuntime::new(runtime.handle().clone()),
    );
    driver.set_lookup(move |query| {
        let policies = policies.clone();
        async move { policies.answer(query).await }
    });
    {
        let _inside = runtime.enter();
        driver.listen_on(office, Scheme::Msrps, tls.clone())?;
        driver.listen_on(other, Scheme::Msrps, tls)?;
    }
    let _running = driver.spawn();

    let client = Client::start(&certificate)?;
    let alice = client.register(office_port, "alice", "a secret")?;
    let uri = alice.path.first();
    let name = uri.as_str().rsplit_once('/').map_or("", |(name, _)| name);
    writeln!(out, "alice came in by localhost, and her URI names {name}")?;
    match Client::start(&certificate)?.register(office_port, "bob", "b secret") {
        Ok(_) => writeln!(out, "bob is given a URI")?,
        Err(refusal) => writeln!(out, "bob is refused: {refusal}")?,
    }
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let path = format!("msrp://{}/peer;tcp", peer.local_addr()?);
    client.call(&alice, path.parse()?)?;
    let from: SocketAddr = peer.accept()?.1;
    writeln!(
        out,
        "alice's session leaves for {} from {}",
        peer.local_addr()?.ip(),
        from.ip()
    )?;
    Ok(())
}

#[allow(dead_code, reason = "its test calls `run`")]
fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}
