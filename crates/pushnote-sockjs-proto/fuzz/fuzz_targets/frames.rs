//! Frames: any text arrives as it was sent, whatever the wrapping, and no wrapping can be broken by it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pushnote_sockjs_proto::{
    Close, escape,
    frame::{self, Framing},
};
use serde_json::Value;

fuzz_target!(|input: (&str, u16)| {
    let (text, code) = input;
    let mut element = Vec::new();
    escape::text(text, &mut element);
    let frame = frame::messages([&element, &element].into_iter());
    assert_eq!(parse(&frame[1..]), Value::from(vec![text, text]));
    assert_eq!(
        parse(&frame::close(&Close::new(code, text.to_owned()))[1..]),
        serde_json::json!([code, text])
    );
    check_wrappings(&frame);

    if let Ok(value) = serde_json::from_str::<Value>(text) {
        let safe = escape::raw_json(text);
        assert_eq!(parse(safe.as_bytes()), value);
        check_wrappings(&frame::messages([safe.as_bytes()].into_iter()));
    }
});

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("JSON")
}

fn check_wrappings(frame: &[u8]) {
    assert!(frame.iter().all(|&byte| byte >= 0x20), "a control character");

    let event = Framing::EventSource.wrap(frame);
    let data =
        event.strip_prefix(b"data: ").and_then(|rest| rest.strip_suffix(b"\r\n\r\n")).expect("one event");
    let data = String::from_utf8(data.to_vec()).expect("text").replace("%25", "%");
    assert_eq!(data.as_bytes(), frame);

    let script = Framing::HtmlFile.wrap(frame);
    let literal =
        script.strip_prefix(b"<script>\np(").and_then(|rest| rest.strip_suffix(b");\n</script>\r\n"));
    let literal = literal.expect("one script");
    assert!(!literal.contains(&b'<'));
    assert_eq!(parse(literal).as_str().expect("a string").as_bytes(), frame);
}
