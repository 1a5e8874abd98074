//! Files in session descriptions: the attributes of RFC 5547 §6.

use msrp_ua::{
    negotiate::RefusalReason,
    sdp::{Direction, FileAttributes, FileDates, FileHash, FileRange, FileSelector, SectionError},
};
use proptest::prelude::*;

use crate::{
    dialog::{ALICE, BOB, alice, answer_to, lines, message, stream},
    picture::{SHA1, about_file, offered, picture, pushed},
};

// shows: 5547-9.1-02, 5547-6-01, 5547-6-02, 5547-6-08, 5547-6-09, 5547-6-10, 5547-6-26, 5547-6-28, 5547-8.2-01
// shows: 5547-8.2-03, 5547-8.2.1-01, 5547-8.2.1-03, 5547-8.2.1-04, 5547-6-14, 5547-5-05, 5547-8-01, 5547-8.1-01, 5547-6-12
#[test]
fn a_push_is_described() {
    let mut local = pushed("vBnG916bdberum2fFEABR1FR3ExZMUrd");
    let file = local.file.as_mut().unwrap();
    file.disposition = Some("render".to_owned());
    file.dates.creation = Some("Mon, 15 May 2006 15:01:31 +0300".to_owned());
    file.dates.read = Some("Tue, 16 May 2006 15:01:31 -0300".to_owned());
    file.icon = Some("cid:id2@alicepc.example.com".to_owned());
    file.range = Some(FileRange {
        start: 1,
        end: Some(4092),
    });
    let offer = alice().offer(&[Some(local.clone())]).unwrap();
    assert_eq!(
        about_file(&offer),
        [
            &format!(
                "file-selector:name:\"My cool picture.jpg\" type:image/jpeg size:4092 hash:sha-1:{SHA1}"
            ),
            "file-transfer-id:vBnG916bdberum2fFEABR1FR3ExZMUrd",
            "file-disposition:render",
            "file-date:creation:\"Mon, 15 May 2006 15:01:31 +0300\" read:\"Tue, 16 May 2006 15:01:31 -0300\"",
            "file-icon:cid:id2@alicepc.example.com",
            "file-range:1-4092"
        ]
    );
    assert!(lines(&offer, "a=").contains(&"sendonly"));
    assert_eq!(message(&offer, 0).file, local.file);
}

// shows: 5547-6-03, 5547-6-04, 5547-6-15, 5547-6-17, 5547-6-18, 5547-6-19
#[test]
fn names_are_encoded_where_they_have_to_be() {
    let named = |value: &str| {
        FileSelector::parse(Some(value))
            .ok()
            .and_then(|selector| selector.name)
    };
    assert_eq!(named("name:\"a b;c\"").as_deref(), Some("a b;c"));
    assert_eq!(named("name:\"%22a%0d%C3%bc\"").as_deref(), Some("\"a\rü"));
    assert_eq!(named("name:\"..%2F../x\"").as_deref(), Some("../../x"));
    assert_eq!(named("name:\"grün\" size:1").as_deref(), Some("grün"));
    for bad in [
        "name:\"\"",
        "name:\"a",
        "name:a",
        "name:\"%2\"",
        "name:\"%zz\"",
        "name:\"%FF\"",
        "name:\"a\"b",
        "name:\"a\" name:\"b\"",
    ] {
        assert_eq!(named(bad), None, "{bad}");
    }
    let mut local = pushed("x");
    local.file.as_mut().unwrap().selector.name = Some("..\\a/b:\"50%\"\r\n.txt".to_owned());
    let offer = alice().offer(&[Some(local)]).unwrap();
    assert!(about_file(&offer)[0].starts_with("file-selector:name:\"..%5Ca%2Fb%3A%2250%25%22%0D%0A.txt\" "));
    assert_eq!(
        message(&offer, 0).file.unwrap().selector.name.unwrap(),
        "..\\a/b:\"50%\"\r\n.txt"
    );
}

// shows: 5547-6-05, 5547-6-06, 5547-6-07, 5547-6-22, 5547-T-03
#[test]
fn sizes_types_and_hashes_are_read() {
    let parse = |value: &str| FileSelector::parse(Some(value)).map_err(|error| error.what);
    let text = parse("type:text/plain;charset=\"a%22b\";x=\"1\" size:18446744073709551615").unwrap();
    assert_eq!(
        text.media_type.as_deref(),
        Some("text/plain;charset=\"a\\\"b\";x=\"1\"")
    );
    assert_eq!(text.size, Some(u64::MAX));
    let two = parse(&format!(
        "hash:SHA-1:{SHA1} hash:sha-256:{}",
        ["ab"; 32].join(":")
    ))
    .unwrap();
    assert_eq!(two.hash("sha-1"), picture().hash("sha-1"));
    assert_eq!(two.hash("sha-256").unwrap().value, [0xab; 32]);
    for (bad, what) in [
        ("size:-1", "size"),
        ("size:18446744073709551616", "size"),
        ("size:1 size:2", "size"),
        ("type:text", "type"),
        ("type:text/plain;x", "type"),
        ("hash:sha-1", "hash"),
        ("hash:sha-1:AB", "hash"),
        ("hash:x y:AB", "hash"),
        ("hash:sha-1:AB:C", "hash"),
        ("colour:red", "unknown selector"),
        ("name:\"a\" x", "selector without a value"),
        (&["hash:x:AB"; 9].join(" "), "more than 8 hashes"),
    ] {
        assert_eq!(parse(bad), Err(what), "{bad}");
    }
    // Nothing can be said of an empty file's size.
    let mut local = pushed("x");
    local.file.as_mut().unwrap().selector.size = Some(0);
    let offer = alice().offer(&[Some(local)]).unwrap();
    assert!(!about_file(&offer)[0].contains("size"));
}

// shows: 5547-6-11, 5547-6-24, 5547-6-27
#[test]
fn ranges_dates_and_icons_are_read_or_refused() {
    let good = |line: &str| {
        let offer = offered(
            "a=sendonly",
            &["a=file-selector:size:9", "a=file-transfer-id:x", line],
        );
        match answer_to(&offer, stream(BOB)) {
            Ok(_) => message(&offer, 0).file,
            Err(refusal) => {
                assert!(
                    matches!(refusal.reason, RefusalReason::Section(SectionError::File(_))),
                    "{refusal:?}"
                );
                None
            }
        }
    };
    let range = |line: &str| good(line).and_then(|file| file.range);
    assert_eq!(range("a=file-range:5-*"), Some(FileRange { start: 5, end: None }));
    assert_eq!(
        range("a=file-range:1-9"),
        Some(FileRange {
            start: 1,
            end: Some(9)
        })
    );
    for bad in ["0-5", "5-4", "5", "-5", "a-b", "1-2-3"] {
        assert_eq!(good(&format!("a=file-range:{bad}")), None, "{bad}");
    }
    let dates = good("a=file-date:creation:\"a\" modification:\"b\" read:\"c\"")
        .unwrap()
        .dates;
    let mut all = FileDates::default();
    (all.creation, all.modification, all.read) = (Some("a".into()), Some("b".into()), Some("c".into()));
    assert_eq!(dates, all);
    for bad in [
        "creation:\"a\" creation:\"b\"",
        "birth:\"a\"",
        "creation:a",
        "creation:\"a",
        "x",
    ] {
        assert_eq!(good(&format!("a=file-date:{bad}")), None, "{bad}");
    }
    for bad in ["a=file-icon:http://x", "a=file-disposition:a b"] {
        assert_eq!(good(bad), None, "{bad}");
    }
    // Without a selector it is no file transfer, and the rest is kept.
    let offer = offered("a=sendonly", &["a=file-range:rubbish"]);
    assert_eq!(message(&offer, 0).file, None);
    assert_eq!(message(&offer, 0).attribute("file-range"), Some(Some("rubbish")));
}

proptest! {
    #[test]
    fn selectors_round_trip(
        name in "[^\\x00]{1,30}",
        size in 1_u64..,
        subtype in "[a-z]{1,8}",
        value in "[ -~]{0,12}",
        hash in proptest::collection::vec(any::<u8>(), 20),
    ) {
        let mut selector = FileSelector::default();
        selector.name = Some(name);
        selector.size = Some(size);
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        selector.media_type = Some(format!("text/{subtype};x=\"{value}\""));
        selector.hashes = vec![FileHash { algorithm: "sha-1".to_owned(), value: hash }];
        let local = stream(ALICE)
            .with_direction(Direction::SendOnly)
            .with_file(FileAttributes::new(selector, "x"));
        let offer = alice().offer(&[Some(local.clone())]).unwrap();
        prop_assert_eq!(message(&offer, 0).file, local.file);
    }

    #[test]
    fn parsing_any_selector_ends(text in "((name|size|type|hash|x)?:?\"?[a-z%/;=0-9 ]{0,9}\"?){0,6}", any: String) {
        let _ = FileSelector::parse(Some(&text));
        let _ = FileSelector::parse(Some(&any));
    }
}
