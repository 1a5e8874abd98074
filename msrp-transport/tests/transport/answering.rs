//! Lookups of the lean driver's node, answered by an asynchronous function.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use futures::{executor::block_on, future::BoxFuture};
use msrp_transport::{
    DriverConfig,
    mio_driver::{Answering, Host, Server},
};

use crate::{
    node::{Say, Talker, Told},
    peer::PATIENCE,
};

struct Tell(std::sync::mpsc::Sender<Told>);

impl Host<Talker> for Tell {
    fn event(&mut self, _: &mut Talker, event: Told) {
        let _nobody_listens = self.0.send(event);
    }
}

fn answers(told: &Receiver<Told>, count: usize) -> Vec<String> {
    let mut answers = Vec::new();
    while answers.len() < count {
        match told.recv_timeout(PATIENCE) {
            Ok(Told::Answered(answer)) => answers.push(answer),
            other => panic!("{other:?}"),
        }
    }
    answers
}

#[test]
fn lookups_are_answered_on_a_thread_of_the_application_and_are_bounded() {
    let mut server = Server::new(Talker::new(), DriverConfig::new()).unwrap();
    let handle = server.handle();
    let (tell, told) = channel();
    let (spawn, tasks) = channel::<BoxFuture<'static, ()>>();
    let thread = std::thread::spawn(move || {
        let look_up = |query: String| async move { format!("{query}?") };
        let spawn = move |task| spawn.send(task).unwrap();
        server
            .run(&mut Answering::new(Tell(tell), 2, look_up, spawn))
            .unwrap();
    });
    let ask = |query: &str| handle.command(Say::Ask(query.to_owned())).unwrap();
    for query in ["a", "b", "c"] {
        ask(query);
    }
    // Two are under way; the third is dropped.
    let waiting: Vec<_> = (0..2).map(|_| tasks.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(
        tasks.recv_timeout(Duration::from_millis(100)).err(),
        Some(RecvTimeoutError::Timeout)
    );
    waiting.into_iter().for_each(block_on);
    assert_eq!(answers(&told, 2), ["a?", "b?"]);
    // What is given up makes room as well as what is answered.
    ask("d");
    ask("e");
    for _ in 0..2 {
        drop(tasks.recv_timeout(PATIENCE).unwrap());
    }
    ask("f");
    block_on(tasks.recv_timeout(PATIENCE).unwrap());
    assert_eq!(answers(&told, 1), ["f?"]);
    handle.shutdown(Duration::ZERO).unwrap();
    thread.join().unwrap();
}
