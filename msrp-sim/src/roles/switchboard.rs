//! Signalling: what user agents tell each other besides MSRP. In life this is SIP with SDP.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use msrp_core::grammar::Path;

/// One side of a call, as the other may see it.
#[derive(Clone, Debug, Default)]
struct Seen {
    path: Option<Path>,
    open: bool,
    over: bool,
}

#[derive(Debug, Default)]
struct Calls {
    sides: BTreeMap<(usize, usize), Seen>,
    /// In which call a message was sent.
    messages: BTreeMap<String, usize>,
}

/// Where the phones of a world find each other's paths. Calls have a number, and two sides: 0 and 1.
#[derive(Clone, Debug, Default)]
pub struct Switchboard(Rc<RefCell<Calls>>);

impl Switchboard {
    /// Nobody calls anybody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One side tells its path.
    pub fn tell_path(&self, call: usize, side: usize, path: Path) {
        self.0.borrow_mut().sides.entry((call, side)).or_default().path = Some(path);
    }

    /// One side has its session.
    pub fn tell_open(&self, call: usize, side: usize) {
        self.0.borrow_mut().sides.entry((call, side)).or_default().open = true;
    }

    /// One side has no session any more, or never will.
    pub fn tell_over(&self, call: usize, side: usize) {
        self.0.borrow_mut().sides.entry((call, side)).or_default().over = true;
    }

    /// The path of one side.
    pub fn path(&self, call: usize, side: usize) -> Option<Path> {
        self.0.borrow().sides.get(&(call, side))?.path.clone()
    }

    /// Whether one side has had its session.
    pub fn is_open(&self, call: usize, side: usize) -> bool {
        self.0
            .borrow()
            .sides
            .get(&(call, side))
            .is_some_and(|seen| seen.open)
    }

    /// Whether one side has given up.
    pub fn is_over(&self, call: usize, side: usize) -> bool {
        self.0
            .borrow()
            .sides
            .get(&(call, side))
            .is_some_and(|seen| seen.over)
    }

    /// A message is sent in a call.
    pub fn note_message(&self, message_id: &str, call: usize) {
        self.0.borrow_mut().messages.insert(message_id.to_owned(), call);
    }

    /// The call in which a message was sent.
    pub fn call_of(&self, message_id: &str) -> Option<usize> {
        self.0.borrow().messages.get(message_id).copied()
    }
}
