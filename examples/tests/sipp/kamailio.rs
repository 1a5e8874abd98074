//! User agents at a Kamailio that asks for digest: registration, calls and MESSAGE through it. Skipped where there is no
//! Kamailio, unless `MSRP_KAMAILIO=required`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use msrp_ua::{
    call::CallEnd,
    sip::{
        PageId, SipAction, SipAdapter, SipInput, SipPage, SipParty, SipReply,
        rsipstack::{RegistrationState, RsipAdapter, RsipConfig, SipCredentials, SipRegistration},
    },
};

use crate::{
    agent::Agent,
    next,
    running::{PATIENCE, port, wait_for_listener},
};

const PROGRAM: &str = "/usr/sbin/kamailio";

pub(crate) struct Kamailio {
    child: Child,
    folder: PathBuf,
    pub(crate) port: u16,
}

impl Kamailio {
    pub(crate) fn start(algorithm: &str, qop: &str) -> Self {
        let port = port();
        let folder = std::env::temp_dir().join(format!("msrp-kamailio-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let config = include_str!("kamailio.cfg")
            .replace("PORT", &port.to_string())
            .replace("ALGORITHM", algorithm)
            .replace("QOP", qop);
        fs::write(folder.join("kamailio.cfg"), config).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(PROGRAM)
            .args(["-DD", "-E", "-m", "32", "-M", "8", "-f"])
            .arg(folder.join("kamailio.cfg"))
            .arg("-Y")
            .arg(&folder)
            .arg("-w")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let kamailio = Self { child, folder, port };
        wait_for_listener(port);
        kamailio
    }

    fn config(&self, name: &str, transport: &str) -> RsipConfig {
        RsipConfig::new(format!("sip:{name}@127.0.0.1"))
            .with_listen(format!("{transport}://127.0.0.1:0").parse().unwrap())
            .with_outbound_proxy(format!("sip:127.0.0.1:{};transport={transport}", self.port))
            .with_credentials(SipCredentials::new(name, "secret"))
            .with_registration(SipRegistration::default())
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // It has children, which end with it when it is asked to.
        drop(Command::new("kill").arg(self.child.id().to_string()).status());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

pub(crate) fn find() -> bool {
    // The configuration names the folder in which Debian has the modules of this architecture.
    let modules = "/usr/lib/x86_64-linux-gnu/kamailio/modules";
    let found = Path::new(PROGRAM).exists() && Path::new(modules).exists();
    assert!(
        found || std::env::var("MSRP_KAMAILIO").as_deref() != Ok("required"),
        "{PROGRAM} is not installed"
    );
    found
}

#[tokio::test]
async fn registered_at_kamailio_they_call_and_write_to_each_other() {
    if !find() {
        return;
    }
    // With and without qop, which servers of old leave out.
    for (algorithm, qop, transport) in [("MD5", "0", "udp"), ("MD5", "1", "tcp"), ("SHA-256", "1", "udp")] {
        let kamailio = Kamailio::start(algorithm, qop);
        let mut alice = Agent::start(kamailio.config("alice", transport));
        let mut bob = RsipAdapter::start(kamailio.config("bob", transport)).unwrap();
        let registered = tokio::time::timeout(PATIENCE, bob.registered()).await.unwrap();
        assert_eq!(
            registered,
            RegistrationState::Registered(Duration::from_secs(3600)),
            "{algorithm} {qop}"
        );
        let mut carol = RsipAdapter::start(kamailio.config("carol", transport)).unwrap();
        carol.registered().await;
        for (number, from, to) in [(1, "carol", "bob"), (2, "bob", "carol")] {
            let (sender, receiver) = if from == "carol" {
                (&mut carol, &mut bob)
            } else {
                (&mut bob, &mut carol)
            };
            let name = PageId::outgoing(number);
            let parties = [from, to].map(|name| SipParty::new(format!("sip:{name}@127.0.0.1")));
            let [from, to] = parties;
            let page = SipPage::new(name, from, to, "text/plain", "through Kamailio");
            sender.perform(SipAction::Page(Box::new(page))).await.unwrap();
            let SipInput::Page(page) = next(receiver).await else {
                panic!()
            };
            assert_eq!(page.body, "through Kamailio");
            let reply = SipReply::new(200);
            receiver
                .perform(SipAction::AnswerPage {
                    page: page.page,
                    reply,
                })
                .await
                .unwrap();
            let SipInput::PageAnswered { answer, .. } = next(sender).await else {
                panic!()
            };
            assert_eq!(answer.code, 200, "{algorithm} {qop}");
        }
        // When he has gone the registrar knows it.
        bob.shutdown().await;
        assert_eq!(bob.registration(), RegistrationState::None);
        let [from, to] = ["carol", "bob"].map(|name| SipParty::new(format!("sip:{name}@127.0.0.1")));
        let page = SipPage::new(PageId::outgoing(3), from, to, "text/plain", "too late");
        carol.perform(SipAction::Page(Box::new(page))).await.unwrap();
        let SipInput::PageAnswered { answer, .. } = next(&mut carol).await else {
            panic!()
        };
        assert_eq!(answer.code, 404, "{algorithm} {qop}");
        let mut dave = Agent::start(kamailio.config("dave", transport));
        alice.call("sip:nobody@127.0.0.1".to_owned()).await;
        assert!(matches!(alice.ended().await, CallEnd::Refused(answer) if answer.code == 404));
        let (call, ours) = {
            let mut answer = std::pin::pin!(dave.answer());
            let mut answered = false;
            'calls: loop {
                alice.call("sip:dave@127.0.0.1".to_owned()).await;
                let mut outcome = std::pin::pin!(alice.outcome());
                loop {
                    tokio::select! {
                        _ = &mut answer, if !answered => answered = true,
                        outcome = &mut outcome => match outcome {
                            Ok(established) => break 'calls established,
                            // Dave is still registering.
                            Err(CallEnd::Refused(refusal)) if refusal.code == 404 => break,
                            Err(other) => panic!("{other:?}"),
                        },
                    }
                }
            }
        };
        dave.established().await;
        alice.say(ours.session, "hello Dave").await;
        assert_eq!(dave.heard().await, "hello Dave");
        alice.end(call).await;
        assert_eq!(dave.ended().await, CallEnd::Peer);
    }
}
