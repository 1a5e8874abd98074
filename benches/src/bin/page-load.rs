//! Phones that send MESSAGEs through a gateway, and the chat client that they reach: nothing may be lost, doubled or out of
//! order. One line of JSON. `pages.sh` starts the gateway and looks up what it costs.
#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use msrp_transport::{DriverConfig, driver::Driver, listen::ListenAddress, runtime::TokioRuntime};
use msrp_ua::{
    UserAgent, UserAgentConfig, UserAgentEvent,
    call::CallAnswer,
    sip::{
        PageId, SipAction, SipAdapter, SipInput, SipPage, SipParty,
        rsipstack::{RsipAdapter, RsipConfig},
    },
};

/// Phones that send MESSAGEs through a gateway, and the chat client that they reach.
#[derive(Parser)]
struct Options {
    /// Where the gateway listens for SIP, such as "sip:127.0.0.1:5060;transport=tcp".
    #[arg(long)]
    gateway: String,
    /// Where the chat client listens for SIP; the gateway's route has to lead there.
    #[arg(long, default_value = "tcp://127.0.0.1:5070")]
    chat: String,
    /// How many phones there are; each has a session of its own in the end.
    #[arg(long, default_value_t = 200)]
    phones: usize,
    /// MESSAGEs a second, of all phones together.
    #[arg(long, default_value_t = 2_000)]
    rate: u32,
    /// For how long.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

/// What has become of the MESSAGEs.
#[derive(Default)]
struct Tally {
    sent: u64,
    answered: u64,
    refused: u64,
    received: u64,
    doubled: u64,
    reordered: u64,
    sessions: u64,
    /// The number that each phone's next message should have.
    next: Vec<u64>,
}

impl Tally {
    /// `phone number`.
    fn receive(&mut self, text: &str) -> Option<()> {
        let (phone, number) = text.split_once(' ')?;
        let next = self.next.get_mut(phone.parse::<usize>().ok()?)?;
        let number: u64 = number.parse().ok()?;
        self.received += 1;
        if number < *next {
            self.doubled += 1;
        } else {
            self.reordered += u64::from(number > *next);
            *next = number + 1;
        }
        Some(())
    }
}

fn page(options: &Options, sent: u64) -> SipPage {
    let (phone, number) = (sent % options.phones as u64, sent / options.phones as u64);
    SipPage::new(
        PageId::outgoing(sent),
        SipParty::new(format!("sip:phone{phone}@phones.example.com")),
        SipParty::new("sip:bob@chat.example.com"),
        "text/plain",
        format!("{phone} {number}"),
    )
    .with_route(&options.gateway)
}

async fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let transport = if options.gateway.contains("transport=tcp") {
        "tcp"
    } else {
        "udp"
    };
    let phones = format!("{transport}://127.0.0.1:0").parse()?;
    let mut phones =
        RsipAdapter::start(RsipConfig::new("sip:phones@phones.example.com").with_listen(phones))?;
    let config = RsipConfig::new("sip:bob@chat.example.com").with_listen(options.chat.parse()?);
    let mut sip = RsipAdapter::start(config)?;
    let agent = UserAgent::new(
        Instant::now(),
        UserAgentConfig::new("127.0.0.1", 2855, false),
        [7; 32],
    );
    let mut chat = Driver::new(agent, DriverConfig::new(), TokioRuntime::current());
    let (_, local) = chat.listen("msrp://127.0.0.1:0".parse::<ListenAddress>()?, None)?;
    chat.node_mut().set_authority("127.0.0.1", local.port());

    let mut tally = Tally {
        next: vec![0; options.phones],
        ..Tally::default()
    };
    let wanted = u64::from(options.rate) * u64::from(options.seconds);
    let begun = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    let patience = Duration::from_secs(u64::from(options.seconds) + 20);
    let mut took = Duration::ZERO;
    while (tally.received < wanted || tally.answered + tally.refused < wanted) && begun.elapsed() < patience {
        tokio::select! {
            event = chat.next_event() => match event {
                Some(UserAgentEvent::Sip(action)) => sip.perform(*action).await?,
                Some(UserAgentEvent::IncomingCall(call)) => {
                    let _gone = chat.node_mut().answer_call(call.call, CallAnswer::new());
                }
                Some(UserAgentEvent::CallEstablished { .. }) => tally.sessions += 1,
                Some(UserAgentEvent::Message { body: Some(body), .. }) => {
                    let text = String::from_utf8_lossy(&body);
                    tally.receive(&text).ok_or_else(|| format!("what is this: {text:?}"))?;
                    took = begun.elapsed();
                }
                Some(_) => {}
                None => return Err("the driver has ended".into()),
            },
            input = sip.next() => {
                let input = input.ok_or("the chat's SIP has ended")?;
                chat.node_mut().handle_sip(Instant::now(), input);
            }
            input = phones.next() => match input.ok_or("the phones' SIP has ended")? {
                SipInput::PageAnswered { answer, .. } if answer.is_success() => tally.answered += 1,
                SipInput::PageAnswered { .. } => tally.refused += 1,
                _ => {}
            },
            _ = tick.tick(), if tally.sent < wanted => {
                let due = (begun.elapsed().as_secs_f64() * f64::from(options.rate)) as u64;
                while tally.sent < due.min(wanted) {
                    phones.perform(SipAction::Page(Box::new(page(options, tally.sent)))).await?;
                    tally.sent += 1;
                }
            }
        }
    }
    let lost = tally.sent - tally.received.min(tally.sent);
    println!(
        "{{\"sent\": {}, \"accepted\": {}, \"refused\": {}, \"received\": {}, \"lost\": {lost}, \"doubled\": {}, \
         \"reordered\": {}, \"sessions\": {}, \"seconds\": {:.2}, \"per_second\": {:.0}}}",
        tally.sent,
        tally.answered,
        tally.refused,
        tally.received,
        tally.doubled,
        tally.reordered,
        tally.sessions,
        took.as_secs_f64(),
        tally.received as f64 / took.as_secs_f64().max(0.001),
    );
    Ok(lost == 0 && tally.refused == 0 && tally.doubled == 0 && tally.reordered == 0)
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(&options)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("page-load: {error}");
            ExitCode::FAILURE
        }
    }
}
