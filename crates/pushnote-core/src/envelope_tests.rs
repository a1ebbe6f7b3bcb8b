use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::draft::Draft;

const MAX: usize = 64 * 1024;

fn parse(text: &str) -> Result<Envelope, EnvelopeError> {
    Envelope::parse(&Bytes::copy_from_slice(text.as_bytes()), MAX)
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

#[test]
fn reads_what_the_original_publishes() {
    let all = parse(r#"{"data": {"msg": "Hi all!"}, "name": "notify_all"}"#).unwrap();
    assert_eq!(all.data, r#"{"msg": "Hi all!"}"#);
    assert_eq!(all.audience, Audience::everyone());

    let token = "42:uDUs1oFXzu61hu69utSBkli0ZXU";
    let one = parse(&format!(r#"{{"data": {{"msg": "Hi"}}, "name": "notify", "recipients": ["{token}"]}}"#))
        .unwrap();
    assert_eq!(one.data, r#"{"msg": "Hi"}"#);
    assert_eq!(one.audience, Audience::users(vec![]));
    assert_eq!(one.recipients, [token]);

    let none = parse(r#"{"data": null, "name": "notify", "recipients": []}"#).unwrap();
    assert_eq!((none.audience, none.recipients), (Audience::users(vec![]), vec![]));
}

#[test]
fn users_are_strings_or_integers() {
    let envelope = parse(r#"{"name":"notify","data":1,"users":["42",42,-1,"a b"]}"#).unwrap();
    assert_eq!(envelope.audience, Audience::users(vec![user("42"), user("-1"), user("a b")]));
}

#[test]
fn an_id_is_put_in_and_read() {
    for draft in [
        Draft::notify_all(9, &json!({"a": 1})).unwrap(),
        Draft::notify(9, &json!("}"), &[user("42")]).unwrap(),
    ] {
        let before = Envelope::parse(&Bytes::from(draft.clone().unnumbered()).slice(9..), MAX).unwrap();
        let len_max = draft.len_max();
        let numbered = Bytes::from(draft.numbered("9f86d081", 42)).slice(9..);
        assert!(numbered.len() <= len_max);
        let after = Envelope::parse(&numbered, MAX).unwrap();
        assert_eq!(after.id, Some("9f86d081/42".parse().unwrap()));
        assert_eq!(Envelope { id: None, ..after }, before);
    }
    for id in ["7", "null", r#""7""#, r#""a/b""#, "[]", "{}"] {
        let refused = parse(&format!(r#"{{"name":"notify_all","data":1,"publication":{id}}}"#));
        assert_eq!(refused, Err(EnvelopeError::IdMalformed), "{id}");
        assert!(refused.unwrap_err().to_string().contains(r#""publication""#), "the key as it is written");
    }
}

#[test]
fn data_is_any_json_byte_for_byte() {
    for data in [
        "null",
        "false",
        "0",
        "-1.50e+3",
        "\"\"",
        "\"\\u00e9\\ud83d\"",
        "\"é ✓\"",
        "[ 1,\t2 ]",
        "{\"b\":1,\"a\":1,\"b\":2}",
    ] {
        let envelope = parse(&format!(r#"{{"name":"notify_all","data":{data}}}"#)).unwrap();
        assert_eq!(envelope.data, data);
    }
}

#[test]
fn data_is_a_slice_of_the_input() {
    let input = Bytes::from_static(b" {\"name\":\"notify_all\", \"data\" : {\"msg\": 1} } ");
    let envelope = Envelope::parse(&input, MAX).unwrap();
    let within = input.as_ptr_range();
    assert!(within.contains(&envelope.data.as_ptr()));
    assert_eq!(envelope.data, "{\"msg\": 1}");
}

#[test]
fn line_breaks_in_data_are_taken_out() {
    let envelope =
        parse("{\"name\":\"notify_all\",\n\"data\":\n{\r\n  \"a\": [1,\n2],\r\"b\": \"x\\ny\"\n}\n}")
            .unwrap();
    assert_eq!(envelope.data, "{  \"a\": [1,2],\"b\": \"x\\ny\"}");
}

#[test]
fn unknown_keys_are_skipped() {
    let text = r#"{"v":2,"name":"notify","id":[{"x":null}],"data":1,"users":[],"channel":"news"}"#;
    assert_eq!(parse(text).unwrap().data, "1");
}

#[test]
fn says_what_is_wrong() {
    for (text, kind) in [
        ("", "not_json"),
        (" ", "not_json"),
        ("nonsense", "not_json"),
        ("{", "not_json"),
        (r#"{"name":"notify_all","data":}"#, "not_json"),
        (r#"{"name":"notify_all","data":1} {}"#, "not_json"),
        ("{\"name\":\"notify_all\",\"data\":\"a\nb\"}", "not_json"),
        ("[1", "not_json"),
        ("[]", "not_an_object"),
        (r#"["notify_all",{"msg":1}]"#, "not_an_object"),
        ("5", "not_an_object"),
        ("null", "not_an_object"),
        ("\"notify_all\"", "not_an_object"),
        (r#"{"name":"notify_all","name":"notify","data":1}"#, "not_an_object"),
        ("{}", "name_missing"),
        (r#"{"data":1}"#, "name_missing"),
        (r#"{"name":"notify_all"}"#, "data_missing"),
        (r#"{"name":"notify","users":["42"]}"#, "data_missing"),
        (r#"{"name":"connect","data":1}"#, "name_unknown"),
        (r#"{"name":"Notify","data":1}"#, "name_unknown"),
        (r#"{"name":null,"data":1}"#, "name_unknown"),
        (r#"{"name":["notify"],"data":1}"#, "name_unknown"),
        (r#"{"name":"notify","data":1,"users":"42"}"#, "users_not_ids"),
        (r#"{"name":"notify","data":1,"users":null}"#, "users_not_ids"),
        (r#"{"name":"notify","data":1,"users":{"42":1}}"#, "users_not_ids"),
        (r#"{"name":"notify","data":1,"users":["42",null]}"#, "users_not_ids"),
        (r#"{"name":"notify","data":1,"users":[4.2]}"#, "users_not_ids"),
        (r#"{"name":"notify","data":1,"users":[true]}"#, "users_not_ids"),
        (r#"{"name":"notify","data":1,"users":[""]}"#, "users_not_ids"),
        (r#"{"name":"notify","data":1,"users":["a\nb"]}"#, "users_not_ids"),
        (r#"{"name":"notify","data":1,"recipients":"42:sig"}"#, "recipients_not_tokens"),
        (r#"{"name":"notify","data":1,"recipients":[42]}"#, "recipients_not_tokens"),
        (r#"{"name":"notify","data":1,"recipients":[["42:sig"]]}"#, "recipients_not_tokens"),
        (r#"{"name":"notify_all","data":1,"users":["42"]}"#, "everyone_and_users"),
        (r#"{"name":"notify_all","data":1,"recipients":["42:sig"]}"#, "everyone_and_users"),
    ] {
        assert_eq!(parse(text).unwrap_err().kind(), kind, "{text}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_not_json() {
    for input in
        [&b"\xff\xfe"[..], b"{\"name\":\"notify_all\",\"data\":\"\xff\"}", b"{\"name\":\"\xff\",\"data\":1}"]
    {
        assert_eq!(Envelope::parse(&Bytes::copy_from_slice(input), MAX).unwrap_err().kind(), "not_json");
    }
}

#[test]
fn data_has_a_limit() {
    let input = Bytes::from_static(b"{\"name\":\"notify_all\",\"data\":\"12345678\"}");
    assert!(Envelope::parse(&input, 10).is_ok());
    let error = Envelope::parse(&input, 9).unwrap_err();
    assert_eq!(error, EnvelopeError::DataTooLong { len: 10, max: 9 });
    assert_eq!(error.to_string(), "envelope's \"data\" has 10 bytes, 9 are allowed");
}

#[test]
fn deep_nesting_is_no_danger() {
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    assert_eq!(parse(&format!(r#"{{"name":"notify_all","data":{deep}}}"#)).unwrap().data, deep);
    assert_eq!(parse(&deep).unwrap_err().kind(), "not_an_object");
    let users = format!(r#"{{"name":"notify","data":1,"users":{deep}}}"#);
    assert_eq!(parse(&users).unwrap_err().kind(), "users_not_ids");
}

#[test]
fn errors_never_quote_tokens() {
    for text in [
        r#"{"name":"notify","data":1,"recipients":"42:secret"}"#,
        r#"{"name":"notify","data":1,"users":[{"42:secret":1}]}"#,
        r#"{"name":"42:secret","data":1}"#,
    ] {
        assert!(!parse(text).unwrap_err().to_string().contains("secret"));
    }
}

#[test]
fn publishes_the_documented_bytes() {
    let data = json!({"msg": "Hi ünï"});
    let bytes = Draft::notify_all(0, &data).unwrap().unnumbered();
    assert_eq!(bytes, r#"{"name":"notify_all","data":{"msg":"Hi ünï"}}"#.as_bytes());
    let bytes = Draft::notify(0, &data, &[user("42"), user("a\"b")]).unwrap().unnumbered();
    assert_eq!(bytes, r#"{"name":"notify","data":{"msg":"Hi ünï"},"users":["42","a\"b"]}"#.as_bytes());
}

#[test]
fn what_is_published_is_read_back() {
    let data = json!([null, {"a\nb": "c\rd"}]);
    let all = Envelope::parse(&Draft::notify_all(0, &data).unwrap().unnumbered().into(), MAX).unwrap();
    assert_eq!(
        (all.audience, serde_json::from_slice(&all.data).ok()),
        (Audience::everyone(), Some(data.clone()))
    );
    let users = vec![user("42"), user("ü")];
    let some = Envelope::parse(&Draft::notify(0, &data, &users).unwrap().unnumbered().into(), MAX).unwrap();
    assert_eq!((some.audience, some.recipients), (Audience::users(users), vec![]));
}

#[test]
fn what_has_no_json_is_refused() {
    let keys_are_lists = std::collections::BTreeMap::from([(vec![1], 1)]);
    assert!(Draft::notify_all(0, &keys_are_lists).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::parse(&input.into(), MAX);
    }

    #[test]
    fn no_almost_envelope_makes_it_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"name\"", "\"data\"", "\"users\"", "\"recipients\"",
                "\"notify\"", "\"notify_all\"", "\"publish\"", "\"channels\"", "\"everyone\"", "\"event\"", "true", "1", "null", "\"", "\\", "\n", "\u{e9}",
            ]),
            0..24,
        )
    ) {
        if let Ok(envelope) = parse(&parts.concat()) {
            prop_assert!(!envelope.data.contains(&b'\n'));
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&envelope.data).is_ok());
        }
    }
}

#[test]
fn each_user_is_named_once_and_not_too_many_are() {
    let parse = |users: &[String], recipients: usize| {
        let users = users.join(",");
        let tokens: Vec<_> = (0..recipients).map(|token| format!("\"{token}\"")).collect();
        let text =
            format!(r#"{{"name":"notify","data":1,"users":[{users}],"recipients":[{}]}}"#, tokens.join(","));
        Envelope::parse(&text.into(), 10)
    };
    let again: Vec<_> =
        (0..50_000).map(|n| if n % 2 == 0 { "7".to_owned() } else { "\"8\"".to_owned() }).collect();
    let once = ["7", "8"].map(|id| UserId::new(id).unwrap());
    assert_eq!(parse(&again, 0).unwrap().audience, Audience::users(once));
    let many: Vec<_> = (0..SUBJECTS_MAX - 1).map(|user| user.to_string()).collect();
    parse(&many, 1).unwrap();
    let error = parse(&many, 2).unwrap_err();
    assert_eq!(
        (error, error.kind()),
        (EnvelopeError::TooManySubjects { len: SUBJECTS_MAX + 1 }, "too_many_subjects")
    );
}

#[test]
fn notify_says_whom() {
    for text in [r#"{"name":"notify","data":1}"#, r#"{"name":"notify","data":1,"user":["42"]}"#] {
        let error = parse(text).unwrap_err();
        assert_eq!((error, error.kind()), (EnvelopeError::UsersMissing, "users_missing"));
    }
    assert!(parse(r#"{"name":"notify","data":1,"users":[]}"#).unwrap().audience.is_empty());
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

#[test]
fn publish_is_for_channels_users_and_everyone_in_one() {
    let envelope = parse(
        r#"{"name":"publish","data":1,"channels":["news","news","sport"],"users":[42,"42"],"recipients":["7:sig"],
            "everyone":true,"event":"headline"}"#,
    )
    .unwrap();
    let subjects = [Subject::Everyone, channel("news").into(), channel("sport").into(), user("42").into()];
    assert_eq!(envelope.audience.subjects(), subjects);
    assert_eq!(envelope.recipients, ["7:sig"]);
    assert_eq!(envelope.event.as_deref(), Some("headline"));

    let one = parse(r#"{"name":"publish","data":1,"channels":["news"],"everyone":false}"#).unwrap();
    assert_eq!(one.audience.subjects(), [channel("news").into()]);
    assert_eq!(one.event, None);
    // A list that happens to be empty reaches nobody, as with notify.
    assert!(parse(r#"{"name":"publish","data":1,"channels":[]}"#).unwrap().audience.is_empty());
}

#[test]
fn what_is_wrong_with_publish() {
    for (rest, kind) in [
        ("", "nobody_named"),
        (r#","everyone":false"#, "nobody_named"),
        (r#","channel":"news""#, "nobody_named"),
        (r#","channels":"news""#, "channels_not_names"),
        (r#","channels":[42]"#, "channels_not_names"),
        (r#","channels":[""]"#, "channels_not_names"),
        (r#","channels":["a\nb"]"#, "channels_not_names"),
        (r#","channels":null"#, "channels_not_names"),
        (r#","channels":["news.*"]"#, "channels_not_names"),
        (r#","users":"42""#, "users_not_ids"),
        (r#","everyone":1"#, "everyone_not_bool"),
        (r#","everyone":null"#, "everyone_not_bool"),
        (r#","everyone":true,"event":"""#, "event_malformed"),
        (r#","everyone":true,"event":"a\u0000""#, "event_malformed"),
        (r#","everyone":true,"event":7"#, "event_malformed"),
        (&format!(r#","everyone":true,"event":"{}""#, "x".repeat(129)), "event_malformed"),
    ] {
        let error = parse(&format!(r#"{{"name":"publish","data":1{rest}}}"#)).unwrap_err();
        assert_eq!(error.kind(), kind, "{rest}");
    }
    let text = r#"{"name":"notify","data":1,"users":[1],"channels":["news"]}"#;
    assert_eq!(parse(text), Err(EnvelopeError::ChannelsNotPublished));
    assert_eq!(parse(&text.replace("notify", "notify_all")), Err(EnvelopeError::ChannelsNotPublished));
    let longest = format!(r#"{{"name":"publish","data":1,"everyone":true,"event":"{}"}}"#, "x".repeat(128));
    assert!(parse(&longest).is_ok());
}

#[test]
fn users_and_channels_are_counted_together() {
    let channels: Vec<_> = (0..SUBJECTS_MAX - 1).map(|n| format!("\"c{n}\"")).collect();
    let text = |users: &str| {
        format!(r#"{{"name":"publish","data":1,"channels":[{}],"users":[{users}]}}"#, channels.join(","))
    };
    assert!(parse(&text("1")).is_ok());
    assert_eq!(parse(&text("1,2")), Err(EnvelopeError::TooManySubjects { len: SUBJECTS_MAX + 1 }));
}

#[test]
fn other_names_take_no_event() {
    let text = r#"{"name":"notify_all","data":1,"event":[],"everyone":5}"#;
    assert_eq!(parse(text).unwrap().event, None);
}

#[test]
fn what_is_published_to_channels_is_read_back() {
    let audience: Audience =
        [channel("news").into(), channel("a\"b").into(), user("42").into()].into_iter().collect();
    let draft = Draft::publish(3, &json!("x"), &audience, Some("head\"line")).unwrap();
    let bytes = Bytes::from(draft.numbered("9f86d081", 7)).slice(3..);
    let text = r#"{"name":"publish","data":"x","channels":["news","a\"b"],"users":["42"],"event":"head\"line","publication":"9f86d081/7"}"#;
    assert_eq!(bytes, text.as_bytes());
    let envelope = Envelope::parse(&bytes, MAX).unwrap();
    assert_eq!((envelope.audience, envelope.event.as_deref()), (audience, Some("head\"line")));

    let everyone = Draft::publish(0, &1, &Audience::everyone(), None).unwrap().unnumbered();
    assert_eq!(everyone, br#"{"name":"publish","data":1,"everyone":true}"#);
}

#[test]
fn an_events_name_has_bounds() {
    assert_eq!(event_name("ü"), Ok("ü"));
    for text in ["", "a\nb", &"x".repeat(129)] {
        assert_eq!(event_name(text), Err(EventNameError { len: text.len() }));
    }
}
