//! Random conversations in which everything goes wrong that can, and what must hold all the same.
//!
//! A seed replays exactly: `MSRP_SEEDS=17..18 cargo test -p msrp-gateway --test gateway random`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use msrp_core::rng::IdSource;
use msrp_gateway::{GatewayConfig, GatewayEvent, Outcome, QueueLimits, Source};
use msrp_ua::{
    OutgoingKey, OutgoingMessage, SessionId,
    call::OutgoingCall,
    sdp::Direction,
    sip::{PageId, SipAnswer, SipInput, SipParty, SipReply},
};

use crate::world::{Answering, Paging, World, page};

struct Script {
    world: World,
    random: IdSource,
    limits: QueueLimits,
    /// MESSAGEs of the phones: their text.
    said: BTreeMap<PageId, String>,
    /// Those that were sent twice: the other one.
    twins: BTreeMap<PageId, PageId>,
    /// Messages of the chat.
    chatted: Vec<(OutgoingKey, SessionId, String)>,
    count: u32,
}

fn phone(n: u64) -> String {
    format!("sip:alice{n}@phones.example.com")
}

fn chat(n: u64) -> String {
    format!("sip:bob{n}@chats.example.com")
}

impl Script {
    fn new(seed: u64) -> Self {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let limits = QueueLimits {
            messages: 12,
            octets: 4_000,
            all_messages: 30,
            all_octets: 8_000,
        };
        let config = GatewayConfig::new()
            .queue(limits)
            .backoff(Duration::from_secs(3))
            .learned_for(Duration::from_secs(20))
            .permanent_failures(2);
        Self {
            world: World::with(config),
            random: IdSource::from_seed(bytes),
            limits,
            said: BTreeMap::new(),
            twins: BTreeMap::new(),
            chatted: Vec::new(),
            count: 0,
        }
    }

    fn pick(&mut self, below: u64) -> u64 {
        u64::from_le_bytes(self.random.bytes()) % below
    }

    fn step(&mut self) {
        match self.pick(42) {
            0..=11 => self.phone_says(),
            12..=19 => self.chat_says(),
            20 | 21 => self.chat_calls(),
            22 => self.chat_hangs_up(),
            23 => self.world.break_connections(),
            24 => self.world.cut = !self.world.cut,
            25 => self.world.cut = false,
            26 => {
                let code = [480, 486, 404, 488, 603, 503, 408][self.pick(7) as usize];
                self.world.chat.answering = Answering::No(SipReply::new(code));
            }
            27 | 28 => self.world.chat.answering = Answering::Yes(Box::default()),
            29 => self.world.chat.answering = Answering::Ring,
            30 => self.answer_what_rings(),
            31 => {
                let code = [200, 202, 404, 480, 503][self.pick(5) as usize];
                self.world.phone.paging = Paging::All(code);
            }
            32 => self.world.phone.paging = Paging::Silent,
            33 | 34 => self.answer_pages(),
            35 => self.restart_chat(),
            40 => self.chat_holds(Direction::SendOnly),
            41 => self.chat_holds(Direction::SendRecv),
            36 => {
                let listed = self.world.gateway.conversations(None, 9);
                if !listed.is_empty() {
                    let at = self.pick(listed.len() as u64) as usize;
                    self.world.gateway.end(listed[at].conversation).unwrap();
                }
            }
            _ => {
                let time =
                    Duration::from_millis([10, 300, 2_000, 11_000, 40_000, 200_000][self.pick(6) as usize]);
                self.world.pass(time);
            }
        }
        self.world.run();
        let (to_sessions, to_pages) = self.world.gateway.under_way();
        assert!(to_sessions <= self.limits.all_messages && to_pages <= self.limits.all_messages);
    }

    fn phone_says(&mut self) {
        let (from, to) = (self.pick(2), self.pick(2));
        self.count += 1;
        let text = format!("p{from}{to} {:04}", self.count);
        let mut it = page(0, &text)
            .with_header("Call-ID", format!("call{}", self.count))
            .with_header("CSeq", "1 MESSAGE");
        it.from = SipParty::new(phone(from));
        it.to = SipParty::new(chat(to));
        it.request_uri = chat(to);
        let name = self.world.say_page(it.clone());
        self.said.insert(name, text);
        if self.pick(6) == 0 {
            let twin = self.world.say_page(it);
            self.twins.insert(twin, name);
        }
    }

    fn chat_says(&mut self) {
        let sessions = self.world.chat.sessions.clone();
        if sessions.is_empty() {
            return;
        }
        let session = sessions[self.pick(sessions.len() as u64) as usize];
        self.count += 1;
        let text = format!("c {:04}", self.count);
        let message = OutgoingMessage::text(text.clone()).with_success_report();
        if let Ok(key) = self.world.chat.agent.send(session, message) {
            self.chatted.push((key, session, text));
        }
    }

    fn chat_calls(&mut self) {
        let (to, from) = (self.pick(2), self.pick(2));
        let call = OutgoingCall::new(SipParty::new(phone(to))).with_from(SipParty::new(chat(from)));
        self.world.chat_calls_with(call);
    }

    fn some_call(&mut self) -> Option<msrp_ua::sip::CallId> {
        let calls = self.world.chat.calls.clone();
        (!calls.is_empty()).then(|| calls[self.pick(calls.len() as u64) as usize])
    }

    fn chat_hangs_up(&mut self) {
        if let Some(call) = self.some_call() {
            let _known = self.world.chat.agent.end_call(call);
        }
    }

    /// The chat wants to hear nothing for a while, or again.
    fn chat_holds(&mut self, direction: Direction) {
        if let Some(call) = self.some_call()
            && let Some(stream) = self.world.chat.streams.get(&call)
        {
            let _known = self.world.chat.agent.set_direction(call, *stream, direction);
        }
    }

    fn answer_what_rings(&mut self) {
        if let Some(call) = self.some_call() {
            let _known = match self.pick(3) {
                0 => self.world.chat.agent.refuse_call(call, SipReply::new(486)),
                _ => self.world.chat.agent.answer_call(call, Default::default()),
            };
        }
    }

    fn answer_pages(&mut self) {
        for page in std::mem::take(&mut self.world.phone.pending) {
            let code = [200, 200, 202, 408, 480][self.pick(5) as usize];
            let answer = SipAnswer::new(code, "");
            let input = SipInput::PageAnswered { page, answer };
            self.world.gateway.handle_sip(self.world.now, input);
        }
    }

    /// The chat has lost all that it knew.
    fn restart_chat(&mut self) {
        for session in std::mem::take(&mut self.world.chat.sessions) {
            let _known = self.world.chat.agent.close_session(session);
        }
        self.world.sip.vanish(1);
    }

    /// All is well again, and everything comes to its end.
    fn heal(&mut self) {
        self.world.cut = false;
        self.world.chat.answering = Answering::Yes(Box::default());
        for _ in 0..100 {
            self.world.phone.paging = Paging::All(200);
            for page in std::mem::take(&mut self.world.phone.pending) {
                let answer = SipAnswer::new(200, "");
                let input = SipInput::PageAnswered { page, answer };
                self.world.gateway.handle_sip(self.world.now, input);
            }
            self.world.pass(Duration::from_secs(10));
        }
    }

    fn check(&self) {
        let world = &self.world;
        // Every MESSAGE has one final answer; that there are not two is looked at when they are given.
        for page in self.said.keys().chain(self.twins.keys()) {
            assert!(world.code(*page).is_some(), "{page} has no answer");
        }
        let mut outcomes: BTreeMap<PageId, &Outcome> = BTreeMap::new();
        let mut numbers = BTreeSet::new();
        let mut of_chat = BTreeMap::new();
        for event in &world.events {
            if let GatewayEvent::Message {
                message,
                source,
                outcome,
                ..
            } = event
            {
                assert!(numbers.insert(*message), "two outcomes of {message:?}");
                match source {
                    Source::Page(page) => assert!(outcomes.insert(*page, outcome).is_none()),
                    Source::Session(session, id) => {
                        of_chat.insert((*session, id.as_str().to_owned()), outcome);
                    }
                }
            }
        }
        let heard = world.texts();
        let paged = world.paged();
        let times = |all: &[String], text: &str| all.iter().filter(|it| *it == text).count();
        for (page, text) in &self.said {
            let code = world.code(*page).unwrap();
            let reached = times(&heard, text) + times(&paged, text);
            match outcomes.get(page) {
                // Whatever was taken has an outcome; what was not was refused.
                None => assert!(code >= 300 && reached == 0, "{text} {code}"),
                Some(Outcome::Delivered | Outcome::Accepted) => {
                    assert!(reached >= 1, "{text}: false success")
                }
                Some(_) => {}
            }
            if code == 200 {
                assert!(reached >= 1, "{text}: false 200");
            }
            assert!(times(&paged, text) <= 1, "{text} was paged twice");
            let ids: BTreeSet<_> = world
                .chat
                .heard
                .iter()
                .filter(|it| it.content.body == *text)
                .map(|it| (&it.message_id, it.session))
                .collect();
            // Twice in different sessions only, devices or one that replaces another, and always under one name.
            assert_eq!(ids.len(), times(&heard, text), "{text} twice in a session");
            assert!(
                ids.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len() <= 1,
                "{text}"
            );
        }
        self.check_order(&heard);
        let mut known = BTreeMap::new();
        for (key, _, text) in &self.chatted {
            let told = world.told(*key);
            let reached = times(&paged, text);
            assert!(reached <= 1, "{text} was paged twice");
            if told.contains(&200) {
                let name = world
                    .phone
                    .inbox
                    .iter()
                    .find(|it| it.body == *text)
                    .map(|it| it.page);
                assert!(name.is_some(), "{text}: false success");
            }
            assert!(told.len() <= 1, "{text}: told {told:?}");
            known.insert(text.clone(), reached);
        }
        // What went out has an outcome each.
        let went: usize = known.values().sum();
        assert!(of_chat.len() >= went, "{} outcomes of {went}", of_chat.len());
        let all: Vec<_> = paged
            .iter()
            .filter(|text| text.starts_with("c "))
            .cloned()
            .collect();
        assert!(all.windows(2).all(|two| two[0] != two[1]));
    }

    /// What one phone says to one chat is heard in order, the first time.
    fn check_order(&self, heard: &[String]) {
        let mut last: BTreeMap<&str, &str> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for text in heard {
            if !seen.insert(text.as_str()) {
                continue;
            }
            let (pair, number) = text.split_once(' ').unwrap();
            if let Some(before) = last.insert(pair, number) {
                assert!(before < number, "{pair}: {number} after {before}");
            }
        }
    }
}

fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("MSRP_SEEDS").unwrap_or_else(|_| "0..400".to_owned());
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

fn each_seed(run: impl Fn(&mut Script) + std::panic::RefUnwindSafe) {
    for seed in seeds() {
        let run = std::panic::catch_unwind(|| {
            let mut script = Script::new(seed);
            run(&mut script);
        });
        if let Err(panic) = run {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

// shows: GW-08, GW-33, GW-36, GW-37, GW-78, GW-97, GW-103, GW-104
#[test]
fn whatever_goes_wrong_nothing_is_lost_without_a_word() {
    each_seed(|script| {
        for _ in 0..120 {
            script.step();
        }
        script.heal();
        script.check();
        script.world.assert_over();
    });
}

// Nothing gets well again, and the end comes all the same, with a word about everything.
// shows: GW-124
#[test]
fn whatever_goes_wrong_the_end_comes() {
    each_seed(|script| {
        for _ in 0..60 {
            script.step();
        }
        script.world.gateway.drain(Duration::from_secs(10));
        for _ in 0..6 {
            script.phone_says();
            script.chat_says();
            script.world.pass(Duration::from_secs(2));
        }
        let drained = |event: &GatewayEvent| matches!(event, GatewayEvent::Drained);
        assert_eq!(script.world.events.iter().filter(|it| drained(it)).count(), 1);
        assert!(script.world.gateway.is_idle(), "{:?}", script.world.gateway);
        script.check();
        script.world.cut = false;
        script.world.assert_over();
    });
}
