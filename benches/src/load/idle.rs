//! Authenticated connections that do nothing.

use std::{thread, time::Duration};

use super::{
    LoadError, Options,
    messages::server_of,
    report::{Memory, Report},
    setup::Client,
};

/// Opens them and looks what the server's memory has grown by.
///
/// # Errors
/// [`LoadError`].
pub fn run(options: &Options) -> Result<Report, LoadError> {
    let server = server_of(options)?;
    // What the first connection allocates once is not the cost of a connection.
    let mut first = Client::connect(options, "f", 0)?;
    first.authenticate(options, 0)?;
    let before = server.usage()?.resident;
    let mut clients = Vec::with_capacity(options.pairs);
    for index in 0..options.pairs {
        let mut client = Client::connect(options, "i", index)?;
        client.authenticate(options, index)?;
        clients.push(client);
    }
    thread::sleep(Duration::from_secs_f64(options.warmup));
    let mut memory = Memory::new(before, server.usage()?.resident);
    memory.per_connection = Some(memory.growth as f64 / options.pairs as f64);
    let mut report = Report::new(options);
    report.memory = Some(memory);
    Ok(report)
}
