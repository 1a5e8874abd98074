//! The same relay with one driver or another, to see what a driver costs:
//!
//! ```text
//! cargo run --release -p msrp-transport --example drivers -- mio 127.0.0.1:3855
//! cargo run --release --bin msrp-load -- --relay msrp://127.0.0.1:3855 --server-pid PID --pairs 50 --size 200 --window 32
//! ```
//!
//! It lets user `load` in with password `secret`, over plain TCP: for a loopback interface and nothing else.

use std::{env, error::Error, net::SocketAddr, time::Instant};

use msrp_core::{grammar::Scheme, node::ListenerId};
use msrp_relay::{MemoryAuthStore, Relay, RelayConfig};
use msrp_transport::{
    DriverConfig,
    driver::Driver,
    layer::Incoming,
    mio_driver::Server,
    runtime::{Runtime, SmolRuntime, TokioRuntime},
};

fn relay(address: SocketAddr) -> Result<Relay, Box<dyn Error>> {
    let host = address.ip().to_string();
    let config = RelayConfig::new(&host)
        .allow_address_host(true)
        .allow_plain_auth(true)
        .auth_store(MemoryAuthStore::new().with_password("load", &host, "secret"))
        .listener(ListenerId(0), Scheme::Msrp, address.port());
    Ok(Relay::new(Instant::now(), config, [1; 32])?)
}

async fn drive(address: SocketAddr, runtime: impl Runtime) -> Result<(), Box<dyn Error>> {
    let mut driver = Driver::new(relay(address)?, DriverConfig::new(), runtime);
    driver.listen(format!("msrp://{address}").parse()?, Incoming::default())?;
    println!("listening on msrp://{address}");
    while driver.next_event().await.is_some() {}
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [kind, address] = &arguments[..] else {
        return Err("drivers mio|tokio|smol IP:PORT".into());
    };
    let address = address.parse()?;
    match &kind[..] {
        "mio" => {
            let mut server = Server::new(relay(address)?, DriverConfig::new())?;
            server.listen(format!("msrp://{address}").parse()?, Incoming::default())?;
            println!("listening on msrp://{address}");
            Ok(server.run(&mut ())?)
        }
        "tokio" => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let driver = tokio::task::unconstrained(async { drive(address, TokioRuntime::current()).await });
            runtime.block_on(driver)
        }
        "smol" => {
            let runtime = SmolRuntime::default();
            runtime.block_on(drive(address, runtime.clone()))
        }
        other => Err(format!("{other}: mio, tokio or smol is wanted").into()),
    }
}
