#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]
use msrp_ua::sip::SipParty;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    pager: Pager<u32>,
    now: Instant,
    pages: u64,
}

fn page(text: &str) -> SipPage {
    SipPage::new(
        PageId::outgoing(0),
        SipParty::new("sip:a@ex.com"),
        SipParty::new("sip:b@ex.com"),
        "text/plain",
        text.to_owned(),
    )
}

impl Bench {
    fn new() -> Self {
        Self {
            pager: Pager::new(10 * SECOND),
            now: Instant::now(),
            pages: 0,
        }
    }

    fn push(&mut self, target: &str, origin: u32, parts: &[&str]) -> JobId {
        let job = Job {
            origin,
            parts: parts.iter().map(|text| page(text)).collect(),
            instead: None,
            fallback: None,
            expires_at: self.now + 60 * SECOND,
            retries: 2,
        };
        self.pager.push(target, job)
    }

    /// What goes out now.
    fn out(&mut self) -> Vec<(PageId, String)> {
        let mut out = Vec::new();
        while let Some((id, page)) = self.pager.next() {
            self.pages += 1;
            let name = PageId::outgoing(self.pages);
            self.pager.sent(id, name);
            out.push((name, String::from_utf8(page.body.to_vec()).unwrap()));
        }
        out
    }

    fn answer(&mut self, page: PageId, code: u16) -> Option<u32> {
        self.answer_with(page, SipAnswer::new(code, ""))
    }

    fn answer_with(&mut self, page: PageId, answer: SipAnswer) -> Option<u32> {
        match self.pager.answered(self.now, page, &answer) {
            Answered::Over(_, job) => Some(job.origin),
            _ => None,
        }
    }

    fn assert_empty(&self) {
        assert_eq!((self.pager.len(), self.pager.lanes()), (0, 0));
        assert!(self.pager.under_way.is_empty() && self.pager.due.is_empty());
    }
}

// shows: GW-98, 3428-8-04
#[test]
fn one_after_another_to_each_target() {
    let mut bench = Bench::new();
    for n in 1..=5 {
        bench.push("b", n, &[&n.to_string()]);
    }
    for n in 1..=5 {
        let out = bench.out();
        assert_eq!(out.len(), 1, "one at a time");
        assert_eq!(out[0].1, n.to_string());
        assert_eq!(bench.answer(out[0].0, if n == 3 { 404 } else { 200 }), Some(n));
        assert_eq!(bench.answer(out[0].0, 200), None, "answers count once");
    }
    bench.assert_empty();
}

// shows: GW-99
#[test]
fn a_stuck_message_delays_its_own_target_only() {
    let mut bench = Bench::new();
    bench.push("b", 1, &["stuck"]);
    bench.push("b", 2, &["behind"]);
    bench.push("c", 3, &["other"]);
    let out = bench.out();
    assert_eq!(
        out.iter().map(|it| &*it.1).collect::<Vec<_>>(),
        ["stuck", "other"]
    );
    assert_eq!(bench.answer(out[1].0, 200), Some(3));
    assert!(bench.out().is_empty());
    // What waits behind it expires; what is under way has a transaction with a time of its own.
    bench.now += 60 * SECOND;
    assert_eq!(
        bench.pager.handle_timeout(bench.now).map(|job| job.origin),
        Some(2)
    );
    assert!(bench.pager.handle_timeout(bench.now).is_none());
    assert_eq!(bench.answer(out[0].0, 408), Some(1));
    bench.assert_empty();
}

// shows: GW-60
#[test]
fn parts_follow_each_other_and_fail_as_one() {
    let mut bench = Bench::new();
    bench.push("b", 1, &["1/3", "2/3", "3/3"]);
    bench.push("b", 2, &["next"]);
    let first = bench.out();
    assert_eq!(first[0].1, "1/3");
    assert!(bench.out().is_empty(), "no overlap");
    assert_eq!(bench.answer(first[0].0, 200), None);
    let second = bench.out();
    assert_eq!(second[0].1, "2/3");
    assert_eq!(bench.answer(second[0].0, 480), Some(1), "the third is not sent");
    let next = bench.out();
    assert_eq!(next[0].1, "next");
    assert_eq!(bench.answer(next[0].0, 200), Some(2));
    bench.assert_empty();
}

// shows: 3428-9-05
#[test]
fn retry_after_is_waited_for() {
    let mut bench = Bench::new();
    bench.push("b", 1, &["x"]);
    bench.push("b", 2, &["y"]);
    let mut busy = SipAnswer::new(503, "Busy");
    busy.retry_after = Some(5 * SECOND);
    for _ in 0..2 {
        let out = bench.out();
        assert_eq!(out[0].1, "x", "its turn is kept");
        assert_eq!(bench.answer_with(out[0].0, busy.clone()), None);
        assert!(bench.out().is_empty());
        assert_eq!(bench.pager.poll_timeout(), Some(bench.now + 5 * SECOND));
        bench.now += 5 * SECOND;
        assert!(bench.pager.handle_timeout(bench.now).is_none());
    }
    let out = bench.out();
    assert_eq!(
        bench.answer_with(out[0].0, busy.clone()),
        Some(1),
        "three times are enough"
    );
    let out = bench.out();
    busy.retry_after = Some(3600 * SECOND);
    assert_eq!(bench.answer_with(out[0].0, busy), Some(2), "nobody waits an hour");
    bench.assert_empty();
}

#[test]
fn after_415_the_other_form_is_tried_once() {
    let mut bench = Bench::new();
    let id = bench.push("b", 1, &["wrapped"]);
    bench.pager.get_mut(id).unwrap().instead = Some(Box::new(page("plain")));
    let out = bench.out();
    let answered = bench
        .pager
        .answered(bench.now, out[0].0, &SipAnswer::new(415, ""));
    assert!(matches!(answered, Answered::Unwrapped(job) if job == id));
    let out = bench.out();
    assert_eq!(out[0].1, "plain");
    assert_eq!(bench.answer(out[0].0, 415), Some(1));
    bench.assert_empty();
}

#[test]
fn what_has_not_been_sent_can_be_taken_back() {
    let mut bench = Bench::new();
    let (first, second) = (bench.push("b", 1, &["x"]), bench.push("b", 2, &["y"]));
    bench.push("b", 3, &["z"]);
    let out = bench.out();
    assert!(bench.pager.withdraw(first).is_none());
    assert_eq!(bench.pager.withdraw(second).map(|job| job.origin), Some(2));
    let given_up: Vec<_> = bench.pager.give_up().iter().map(|job| job.origin).collect();
    assert_eq!(given_up, [1, 3]);
    assert_eq!(bench.answer(out[0].0, 200), None, "its answer comes too late");
    bench.assert_empty();
}
