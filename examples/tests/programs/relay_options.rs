//! What `msrp-relay` says to options, files and material that it cannot use; and to `--help`.

use std::net::TcpListener;

use crate::{
    refusing::refuses,
    running::{Folder, Running, relay, run},
};

#[track_caller]
fn refused(options: &[&str], texts: &[&str]) -> String {
    refuses(relay(options), texts)
}

const LISTEN: [&str; 2] = ["--listen", "msrp://127.0.0.1:0"];
const LISTEN_TLS: [&str; 2] = ["--listen", "msrps://127.0.0.1:0"];

fn with<'a>(listen: [&'a str; 2], more: &[&'a str]) -> Vec<&'a str> {
    listen.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn an_unknown_option_is_named() {
    refused(&with(LISTEN, &["--lisen", "x"]), &["--lisen", "--listen"]);
    refused(&with(LISTEN, &["extra"]), &["extra"]);
}

#[test]
fn a_value_that_is_no_number_is_named() {
    refused(&with(LISTEN, &["--expires", "soon"]), &["--expires", "soon"]);
    refused(&with(LISTEN, &["--max-connections", "-1"]), &["-1"]);
}

#[test]
fn numbers_have_to_make_sense() {
    refused(
        &with(LISTEN, &["--max-connections", "0"]),
        &["--max-connections", "at least 1"],
    );
    refused(
        &with(LISTEN, &["--max-memory", "256"]),
        &["--max-memory 256", "octets", "at least 1048576"],
    );
    refused(
        &with(LISTEN, &["--min-expires", "100", "--max-expires", "50"]),
        &["--min-expires", "--max-expires", "100", "50"],
    );
}

#[test]
fn a_dns_server_is_an_address_with_a_port() {
    for server in ["resolver.example.com:53", "192.0.2.53"] {
        refused(&with(LISTEN, &["--dns", server]), &["--dns", server, "IP:PORT"]);
    }
}

#[test]
fn a_time_is_a_day_at_most() {
    let age = u64::MAX.to_string();
    for flag in ["--drain", "--websocket-ping"] {
        let listen = ["--listen", "ws://127.0.0.1:0"];
        refused(&with(listen, &[flag, &age]), &[flag, &age, "86400"]);
        Running::start(1, &with(listen, &[flag, "86400"]));
    }
}

#[test]
fn an_address_is_one_listeners() {
    let twice = [
        "--listen",
        "msrp://127.0.0.1:2855",
        "--listen",
        "msrps://127.0.0.1:2855",
    ];
    for check in [&["--check-config"][..], &[]] {
        refused(
            &[check, &twice].concat(),
            &["--listen msrps://127.0.0.1:2855", "no other"],
        );
    }
}

/// Whoever presents a certificate that others refuse does not see it, so it is said.
#[test]
fn a_certificate_that_clients_will_refuse_is_warned_of() {
    let folder = Folder::new();
    let mut params = rcgen::CertificateParams::new(vec!["relay.example.com".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = folder.file("cert.pem", &params.self_signed(&key).unwrap().pem());
    let key = folder.file("key.pem", &key.serialize_pem());
    let options = ["--cert", &cert, "--key", &key, "--host", "other.example.com"];
    let running = Running::start(1, &with(LISTEN_TLS, &options));
    let told = running.wait_for_stderr("has expired");
    assert!(told.contains(&cert) && told.contains("2001-01-01"), "{told}");
    let told = running.wait_for_stderr("does not name this host");
    assert!(told.contains("other.example.com"), "{told}");
    assert!(!running.stderr().contains("127.0.0.1"), "{}", running.stderr());
}

#[test]
fn there_are_as_many_workers_as_a_uri_can_name() {
    refused(&with(LISTEN, &["--workers", "33"]), &["--workers 33", "32"]);
    refused(&with(LISTEN, &["--workers", "0"]), &["--workers 0"]);
    for workers in ["1", "32"] {
        let running = Running::start(1, &with(LISTEN, &["--workers", workers]));
        assert_ne!(running.address().port(), 0);
        // One address is one relay's, however many sockets it has there.
        let listen = format!("msrp://{}", running.address());
        refused(&["--listen", &listen, "--workers", "3"], &["--listen", "in use"]);
    }
}

#[test]
fn without_a_listener_there_is_an_example() {
    refused(&[], &["--listen", "msrps://0.0.0.0:2855"]);
}

#[test]
fn a_listener_that_is_none_is_named_with_what_is_wanted() {
    for url in ["127.0.0.1:2855", "http://127.0.0.1:2855", "sip://127.0.0.1:5060"] {
        refused(&["--listen", url], &[url, "msrp://", "msrps://"]);
    }
    for url in [
        "msrp://localhost:2855",
        "msrp://127.0.0.1",
        "msrps://127.0.0.1:99999",
    ] {
        refused(&["--listen", url], &[url, "IP address", "port"]);
    }
}

#[test]
fn listening_on_all_addresses_needs_a_host() {
    for url in ["msrp://0.0.0.0:0", "msrps://[::]:0"] {
        refused(&["--listen", url], &[url, "--host"]);
    }
    Running::start(
        1,
        &["--listen", "msrp://0.0.0.0:0", "--host", "relay.example.com"],
    );
}

#[test]
fn a_users_file_for_another_realm_is_warned_of() {
    let folder = Folder::new();
    let file = folder.file("users", "alice:elsewhere:228077dd83232f11146688d20e4810da\n");
    let running = Running::start(1, &with(LISTEN, &["--users", &file]));
    let told = running.wait_for_stderr("no user in the file is of our realm");
    assert!(told.contains("127.0.0.1"), "{told}");
    // Nobody looks at colours in a file.
    assert!(!told.contains('\x1b'), "{told:?}");
    let running = Running::start(1, &with(LISTEN, &["--users", &file, "--realm", "elsewhere"]));
    assert!(!running.stderr().contains("our realm"), "{}", running.stderr());
}

/// The file that operators copy.
#[test]
fn the_sample_configuration_can_be_used() {
    let folder = Folder::new();
    let (cert, key, _) = folder.identity("relay.example.com");
    let users = folder.file(
        "users",
        "alice:relay.example.com:228077dd83232f11146688d20e4810da\n",
    );
    let token = folder.file("token", "sesame\n");
    let sample = include_str!("../../relay.toml")
        .replace("/etc/msrp/users", &users)
        .replace("/etc/msrp/cert.pem", &cert)
        .replace("/etc/msrp/key.pem", &key)
        .replace("0.0.0.0:2855", "127.0.0.1:0");
    let file = folder.file("relay.toml", &sample);
    let running = Running::start(1, &["--config", &file]);
    assert_eq!(running.listeners[0].0, "msrps");
    assert_eq!(running.stderr(), "");
    // What stands in it as a comment can be used as well.
    let everything: String = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.contains(" = ") && !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let file = folder.file(
        "everything.toml",
        &everything
            .replace("/etc/msrp/roots.pem", &cert)
            .replace("/etc/msrp/admin-token", &token)
            .replace("127.0.0.1:9090", "127.0.0.1:0")
            .replace("192.0.2.1:2855", "127.0.0.1:0")
            .replace("198.51.100.1:2855", "127.0.0.1:0"),
    );
    let running = Running::start(1, &["--config", &file]);
    assert_eq!(running.listeners[0].0, "msrps");
    assert_ne!(everything, sample);
    // So can the tables at its end.
    let (settings, tables) = sample.split_once("# [[listen]]").unwrap();
    let settings = settings.replace("listen = [", "#listen = [");
    let text = format!("{settings}\n# [[listen]]{tables}").replace("\n# [[", "\n[[");
    let (settings, tables) = text.split_once("[[listen]]").unwrap();
    let tables = tables.replace("\n# ", "\n");
    let file = folder.file(
        "tables.toml",
        &format!("{settings}[[listen]]{tables}")
            .replace("192.0.2.1:2855", "127.0.0.1:0")
            .replace("198.51.100.1:2855", "127.0.0.2:0")
            .replace("198.51.100.1:443", "127.0.0.3:0"),
    );
    let running = Running::start(3, &["--config", &file]);
    let schemes: Vec<_> = running.listeners.iter().map(|(scheme, _)| &scheme[..]).collect();
    assert_eq!(schemes, ["msrps", "msrps", "wss"]);
}

#[test]
fn a_busy_port_is_named() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("msrp://{}", busy.local_addr().unwrap());
    refused(&with(LISTEN, &["--listen", &url]), &[&url, "in use"]);
}

#[test]
fn an_address_of_somebody_else_is_named() {
    // TEST-NET-1, which no machine has.
    refused(&["--listen", "msrp://192.0.2.1:2855"], &["msrp://192.0.2.1:2855"]);
}

#[test]
fn files_that_are_not_there_are_named() {
    let folder = Folder::new();
    let (cert, key, _) = folder.identity("h");
    let gone = folder.path().join("gone").to_str().unwrap().to_owned();
    let missing = [&gone[..], "No such file"];
    let token = format!("@{gone}");
    for (flag, listen, more) in [
        ("--users", LISTEN, &["--users", &gone][..]),
        ("--ca", LISTEN, &["--ca", &gone]),
        ("--client-ca", LISTEN, &["--client-ca", &gone]),
        ("--config", LISTEN, &["--config", &gone]),
        ("--admin-token", LISTEN, &["--admin-token", &token]),
        ("--cert", LISTEN_TLS, &["--cert", &gone, "--key", &key]),
        ("--key", LISTEN_TLS, &["--cert", &cert, "--key", &gone]),
    ] {
        let message = refused(&with(listen, more), &missing);
        assert!(message.contains(&format!("{flag}: cannot read ")), "{message}");
    }
    let path = folder.path().to_str().unwrap();
    refused(
        &with(LISTEN_TLS, &["--cert", path, "--key", &key]),
        &[path, "directory"],
    );
}

#[test]
fn a_certificate_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    let (cert, key, _) = folder.identity("h");
    let text = folder.file("text", "this is no PEM\n");
    refused(
        &with(LISTEN_TLS, &["--cert", &text, "--key", &key]),
        &["--cert", &text, "certificate"],
    );
    refused(
        &with(LISTEN_TLS, &["--cert", &cert, "--key", &text]),
        &["--key", &text, "private key"],
    );
    let damaged = folder.file(
        "damaged",
        "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
    );
    refused(
        &with(LISTEN_TLS, &["--cert", &damaged, "--key", &key]),
        &[&damaged, "certificate"],
    );
    refused(&with(LISTEN, &["--ca", &text]), &[&text, "certificate"]);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (one, other) = (Folder::new(), Folder::new());
    let (cert, _, _) = one.identity("h");
    let (_, key, _) = other.identity("h");
    refused(&with(LISTEN_TLS, &["--cert", &cert, "--key", &key]), &[&cert]);
}

#[test]
fn certificate_and_key_go_together() {
    let folder = Folder::new();
    let (cert, key, _) = folder.identity("h");
    refused(&with(LISTEN_TLS, &["--cert", &cert]), &["--cert", "--key"]);
    refused(&with(LISTEN_TLS, &["--key", &key]), &["--cert", "--key"]);
}

#[test]
fn a_broken_users_file_is_named_with_its_line() {
    let folder = Folder::new();
    let ha1 = "228077dd83232f11146688d20e4810da";
    let broken = folder.file("users", &format!("# ours\nalice:r:{ha1}\nbob:r:228077dd83232\n"));
    let message = refused(
        &with(LISTEN, &["--users", &broken]),
        &["--users", &broken, "line 3", "32 hexadecimal"],
    );
    assert!(
        !message.contains("228077dd83232"),
        "a hash is a secret: {message}"
    );
}

#[test]
fn a_user_without_a_password_is_named_and_a_password_is_not() {
    refused(
        &with(LISTEN, &["--user", "alice"]),
        &["--user alice", "NAME:PASSWORD"],
    );
    let message = refused(&with(LISTEN, &["--user", ":hunter2"]), &["NAME:PASSWORD"]);
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn host_and_realm_have_to_be_writable() {
    refused(&with(LISTEN, &["--host", "a b"]), &["--host", "a b"]);
    refused(&with(LISTEN, &["--realm", "a\tb\n"]), &["--realm"]);
}

#[test]
fn a_broken_configuration_file_is_named_with_its_line() {
    let folder = Folder::new();
    let unknown = folder.file("unknown.toml", "host = \"h\"\nlisen = [\"msrp://127.0.0.1:0\"]\n");
    refused(&["--config", &unknown], &[&unknown, "line 2", "lisen", "listen"]);
    let torn = folder.file("torn.toml", "host = \"h\n");
    refused(&["--config", &torn], &[&torn, "line 1"]);
    let url = folder.file("url.toml", "listen = \"nowhere\"\n");
    refused(&["--config", &url], &["nowhere", "msrp://"]);
}

#[test]
fn a_configuration_file_is_enough_and_flags_win() {
    let folder = Folder::new();
    let file = folder.file(
        "relay.toml",
        "listen = [\"msrp://127.0.0.1:0\", \"msrps://127.0.0.1:0\"]\nhost = \"relay.example.com\"\n\
         user = [\"alice:secret\"]\nallow-plain-auth = true\nrealm = \"from the file\"\n",
    );
    let running = Running::start(2, &["--config", &file]);
    let realm = |running: &Running| {
        let address = running.address();
        let mut alice = crate::foreign::Client::new("alice", crate::foreign::dial(address));
        let relay = format!("msrp://relay.example.com:{};tcp", address.port());
        let challenge = alice.auth_bare(&relay);
        challenge
            .parameter("WWW-Authenticate", "realm")
            .unwrap()
            .to_owned()
    };
    assert_eq!(running.listeners[0].0, "msrp");
    assert_eq!(running.listeners[1].0, "msrps");
    assert_eq!(realm(&running), "from the file");
    let options = [
        "--config",
        &file,
        "--realm",
        "from the flag",
        LISTEN[0],
        LISTEN[1],
    ];
    let running = Running::start(1, &options);
    assert_eq!(realm(&running), "from the flag");
}

#[test]
fn the_shortest_command_line_that_sets_one_bound_works() {
    Running::start(1, &with(LISTEN, &["--max-expires", "300"]));
    Running::start(1, &with(LISTEN, &["--min-expires", "900"]));
}

#[test]
fn help_teaches() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for flag in [
        "config",
        "listen",
        "host",
        "realm",
        "users",
        "user",
        "cert",
        "key",
        "client-ca",
        "allow-plain-auth",
        "min-expires",
        "max-expires",
        "expires",
        "max-connections",
        "max-memory",
        "workers",
        "drain",
    ] {
        assert!(
            help.contains(&format!("--{flag} ")) || help.contains(&format!("--{flag}\n")),
            "{flag}: {help}"
        );
    }
    // A command line to copy, a file to copy, and what signals do.
    for text in [
        "--listen msrp://127.0.0.1:2855",
        "listen = [",
        "SIGHUP",
        "SIGTERM",
        "RUST_LOG",
        "RFC 4976",
    ] {
        assert!(help.contains(text), "{text}: {help}");
    }
}

#[test]
fn version_is_told() {
    let output = run(&["--version"]);
    assert!(output.status.success());
    assert_eq!(
        output.stdout,
        format!("msrp-relay {}\n", env!("CARGO_PKG_VERSION")).as_bytes()
    );
}
