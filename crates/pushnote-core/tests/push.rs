//! What envelopes say of Web Push, written and read.

use bytes::Bytes;
use pushnote_core::{Asked, Audience, Draft, Envelope, EnvelopeError, Push, PushError, UserId};

fn parse(text: &str) -> Result<Envelope, EnvelopeError> {
    Envelope::parse(&Bytes::copy_from_slice(text.as_bytes()), MAX)
}

fn user(id: &str) -> UserId {
    id.parse().expect("a user id")
}

const MAX: usize = 64 * 1024;

#[test]
fn a_push_has_the_id_by_which_it_is_acknowledged() {
    let id_of = |push: &str, more: &str| {
        let text = format!(r#"{{"name":"notify","data":1,"users":[42],"push":{push}{more}}}"#);
        parse(&text).map(|envelope| envelope.push.unwrap().id.unwrap().into_string())
    };
    let numbered = r#","publication":"web/42""#;
    assert_eq!(id_of(r#"{"title":"Hi"}"#, numbered), Ok("web/42".to_owned()));
    assert_eq!(id_of(r#"{"title":"Hi","id":"order 7"}"#, numbered), Ok("order 7".to_owned()));
    assert_eq!(id_of(r#"{"title":"Hi","id":"order 7"}"#, ""), Ok("order 7".to_owned()));
    assert_eq!(id_of(r#"{"title":"Hi"}"#, ""), Err(EnvelopeError::PushWithoutId));
    assert_eq!(id_of(r#"{"title":""}"#, numbered), Err(EnvelopeError::Push(PushError::Title)));
}

#[test]
fn only_what_is_for_users_alone_is_pushed() {
    let push = r#""data":1,"push":{"title":"Hi","id":"7"}"#;
    for whom in [
        r#""name":"notify_all""#,
        r#""name":"publish","everyone":true"#,
        r#""name":"publish","users":[1],"channels":["news"]"#,
        r#""name":"disconnect","users":[1]"#,
    ] {
        assert_eq!(parse(&format!("{{{whom},{push}}}")), Err(EnvelopeError::PushNotToUsers), "{whom}");
    }
    for whom in [r#""name":"publish","users":[1]"#, r#""name":"notify","recipients":["a:b"]"#] {
        assert!(parse(&format!("{{{whom},{push}}}")).unwrap().push.is_some(), "{whom}");
    }
}

#[test]
fn what_is_acknowledged_is_read_as_it_was_written() {
    let draft = Draft::acknowledge(3, "web/42", &[user("42")]).unwrap();
    let envelope = Envelope::parse(&Bytes::from(draft.unnumbered()).slice(3..), MAX).unwrap();
    assert_eq!((envelope.asked, &envelope.data[..]), (Asked::Acknowledge, &b"\"web/42\""[..]));
    assert_eq!(envelope.audience, Audience::users(vec![user("42")]));
    for (text, error) in [
        (r#"{"name":"acknowledge","data":"7"}"#, EnvelopeError::NotUsersAlone),
        (r#"{"name":"acknowledge","data":7,"users":[1]}"#, EnvelopeError::DataNotMessageId),
        (r#"{"name":"acknowledge","data":"","users":[1]}"#, EnvelopeError::DataNotMessageId),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

#[test]
fn a_push_is_read_as_it_was_written() {
    let push = Push { id: Some("7".into()), title: "Hi".into(), after_s: 3, ..Push::default() };
    let audience = Audience::users(vec![user("42")]);
    let draft = Draft::publish(0, &1, &audience, None).unwrap().with_push(&push);
    let envelope = Envelope::parse(&draft.numbered("web", 1).into(), MAX).unwrap();
    assert_eq!(envelope.push.as_deref(), Some(&push));
}
