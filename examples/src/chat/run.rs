//! The program from its settings to its end.

use std::{io, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use signal_hook::consts::SIGCONT;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
};

use super::{
    Settings,
    errand::{Errand, Item},
    input,
    script::Script,
    terminal::{Input, Terminal},
};
use crate::{
    endpoint::{Endpoint, Event, Policy, PreparedFile, Refusal},
    failure::Failure,
    logging, runtime,
};

/// How long the end may take: BYE, and what else has to be told.
const ENDING: Duration = Duration::from_secs(6);
/// Input that may wait.
const WAITING: usize = 256;

/// Whether the program goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Go,
    Quit,
}

/// Why a file is sent.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// An option asks for it.
    Errand,
    /// A command of a script, with the name of its answer.
    Script(Option<Value>),
    /// A person.
    Typed,
}

/// A file that is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) session: String,
    pub(super) purpose: Purpose,
}

/// What both kinds of front work with.
pub(super) struct Shared {
    pub(super) endpoint: Endpoint,
    pub(super) errand: Errand,
    jobs: JoinSet<(Job, Result<PreparedFile, Refusal>)>,
}

impl Shared {
    /// The session that is named, or the only one.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) fn session(&self, named: Option<String>) -> Result<String, Refusal> {
        if let Some(named) = named {
            return Ok(named);
        }
        let mut sessions = self.endpoint.sessions();
        match sessions.len() {
            0 => Err(Refusal::Conflict("there is no session".to_owned())),
            1 => Ok(sessions.remove(0).session),
            _ => Err(Refusal::Conflict(
                "there are several sessions; session names one".to_owned(),
            )),
        }
    }

    /// Looks at a file, and offers it when that is done.
    pub(super) fn prepare(
        &mut self,
        job: Job,
        path: PathBuf,
        name: Option<String>,
        content_type: Option<String>,
    ) {
        self.jobs.spawn(async move {
            let prepared = Endpoint::prepare_file(path, name, content_type).await;
            (job, prepared)
        });
    }
}

enum Front {
    Script(Script),
    Terminal(Box<Terminal>),
}

impl Front {
    async fn event(&mut self, event: &Event, shared: &mut Shared) -> io::Result<()> {
        match self {
            Self::Script(script) => script.event(event),
            Self::Terminal(terminal) => terminal.event(event, shared).await,
        }
    }

    /// What would have been written to standard error.
    fn log(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::Script(_) => Ok(()),
            Self::Terminal(terminal) => terminal.log(line),
        }
    }

    /// The program was stopped, and goes on.
    fn continued(&mut self) {
        if let Self::Terminal(terminal) = self {
            terminal.continued();
        }
    }

    async fn input(&mut self, input: Input, shared: &mut Shared) -> io::Result<Flow> {
        match (self, input) {
            (_, Input::End) => {
                shared.errand.input_ended();
                Ok(Flow::Go)
            }
            (Self::Script(script), Input::Line(line)) => script.line(&line, shared).await,
            (Self::Script(_), _) => Ok(Flow::Go),
            (Self::Terminal(terminal), input) => terminal.input(input, shared).await,
        }
    }
}

/// Runs the program until it is done, or a signal ends it.
///
/// # Errors
/// [`Failure`].
pub fn run(settings: &Settings) -> Result<(), Failure> {
    runtime::run(chat(settings))
}

fn output(error: io::Error) -> Failure {
    Failure::Ran(format!("standard output: {error}"))
}

async fn chat(settings: &Settings) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Ran(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut continued = signal(SignalKind::from_raw(SIGCONT)).map_err(failed)?;
    // Nobody types where the program ends by itself.
    let leaves = settings.has_errand() && !settings.stay;
    let person = !settings.json && !leaves && super::terminal::is_interactive();
    let policy = Policy {
        auto_answer: settings.auto_answer,
        one_at_a_time: person,
    };
    let (endpoint, mut events) = Endpoint::start(&settings.endpoint, policy).await?;
    let mut shared = Shared {
        endpoint: endpoint.clone(),
        errand: Errand::new(settings, person),
        jobs: JoinSet::new(),
    };
    let (told, mut typed) = mpsc::channel(WAITING);
    let mut front = if settings.json {
        input::start(told).map_err(failed)?;
        Front::Script(Script::new())
    } else if person {
        Front::Terminal(Box::new(Terminal::with_editor(told, settings.auto_answer)?))
    } else {
        input::start(told).map_err(failed)?;
        Front::Terminal(Box::new(Terminal::new(settings.auto_answer)))
    };
    let (to_log, mut logged) = mpsc::channel(WAITING);
    if person {
        logging::show(to_log);
    }
    // First of all the listeners.
    while let Ok(event) = events.try_recv() {
        front.event(&event, &mut shared).await.map_err(output)?;
    }
    if let Some(to) = &settings.call {
        let session = endpoint
            .call(to, None)
            .await
            .map_err(|error| Failure::Ran(format!("--call {to}: {error}")))?;
        shared.errand.called(session);
        if let Front::Terminal(terminal) = &mut front {
            terminal.calling(to).map_err(output)?;
        }
    }
    // What comes out of a pipe is said when there is somebody to hear it.
    let waits = !settings.json && !person && (settings.call.is_some() || settings.auto_answer);
    let outcome = loop {
        send(&mut shared, &mut front).await.map_err(output)?;
        if let Some(outcome) = shared.errand.done() {
            break outcome.map_err(Failure::Ran);
        }
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    shared.errand.hear(&event);
                    front.event(&event, &mut shared).await.map_err(output)?;
                }
                None => break Err(Failure::Ran("the user agent has ended".to_owned())),
            },
            Some(input) = typed.recv(), if !waits || shared.errand.has_begun() => {
                let end = input == Input::End;
                let flow = front.input(input, &mut shared).await.map_err(output)?;
                // Ctrl-D of a person; a script that has said all it has to say may still want to hear.
                if flow == Flow::Quit || (end && person) {
                    break Ok(());
                }
            }
            Some(Ok((job, prepared))) = shared.jobs.join_next() => {
                offer(job, prepared, &mut shared, &mut front).await.map_err(output)?;
            }
            Some(line) = logged.recv() => front.log(&line).map_err(output)?,
            _ = continued.recv() => front.continued(),
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = hangup.recv() => break Ok(()),
        }
    };
    let telling = async {
        while let Some(event) = events.recv().await {
            if front.event(&event, &mut shared).await.is_err() {
                break;
            }
        }
    };
    let ending = async { tokio::join!(endpoint.shut_down(ENDING / 4), telling) };
    if tokio::time::timeout(ENDING, ending).await.is_err() {
        tracing::debug!("the end takes too long");
    }
    outcome
}

/// Sends what options ask for, as far as it is time.
async fn send(shared: &mut Shared, front: &mut Front) -> io::Result<()> {
    while let Some((session, item)) = shared.errand.next() {
        match item {
            Item::Text(text) => {
                let sent = shared
                    .endpoint
                    .send(&session, "text/plain;charset=UTF-8", text.clone().into_bytes())
                    .await;
                match &sent {
                    Ok(message_id) => shared.errand.sent(&session, message_id.clone()),
                    Err(error) => shared.errand.not_sent(format!("a message was not sent: {error}")),
                }
                match front {
                    Front::Script(script) => script.sent(
                        &session,
                        &sent
                            .map(|message_id| json!({"message_id": message_id, "text": text}))
                            .map_err(|error| error.to_string()),
                    )?,
                    Front::Terminal(terminal) => terminal.sent(&text, sent)?,
                }
            }
            Item::File(path) => {
                let job = Job {
                    session,
                    purpose: Purpose::Errand,
                };
                shared.prepare(job, path, None, None);
            }
        }
    }
    Ok(())
}

/// A file has been looked at: it is offered.
async fn offer(
    job: Job,
    prepared: Result<PreparedFile, Refusal>,
    shared: &mut Shared,
    front: &mut Front,
) -> io::Result<()> {
    let Job { session, purpose } = job;
    let info = prepared.as_ref().ok().map(|prepared| prepared.info().clone());
    let offered = match prepared {
        Ok(prepared) => shared.endpoint.send_file(&session, prepared).await,
        Err(error) => Err(error),
    };
    match (&offered, &purpose) {
        (Ok(file), _) => shared.errand.offered(&session, file.clone()),
        (Err(error), Purpose::Errand) => shared.errand.not_sent(format!("a file was not sent: {error}")),
        _ => {}
    }
    match front {
        Front::Script(script) => match purpose {
            Purpose::Script(reference) => script.offered(&session, reference, offered),
            _ => script.sent(
                &session,
                &offered
                    .map(|file| {
                        let mut what = json!({"file": file});
                        if let (Some(what), Some(Value::Object(info))) = (
                            what.as_object_mut(),
                            info.and_then(|info| serde_json::to_value(info).ok()),
                        ) {
                            what.extend(info);
                        }
                        what
                    })
                    .map_err(|error| error.to_string()),
            ),
        },
        Front::Terminal(terminal) => terminal.offered(info, offered),
    }
}
