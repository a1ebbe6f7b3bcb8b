//! What clients send: never a panic, and what serde_json understands is understood the same way.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pushnote_sockjs_proto::input::{InputError, Messages};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let ours =
        Messages::from_body(&text).map(|messages| messages.iter().map(String::from).collect::<Vec<_>>());
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Array(values)) => {
            let ours = ours.expect("an array is taken");
            assert_eq!(ours.len(), values.len());
            for (ours, value) in ours.iter().zip(&values) {
                match value {
                    Value::String(string) => assert_eq!(ours, string),
                    other => assert_eq!(&serde_json::from_str::<Value>(ours).expect("raw JSON"), other),
                }
            }
        }
        Ok(_) => assert_eq!(ours, Err(InputError::PayloadExpected)),
        // serde_json refuses lone surrogates and deep nesting, which are no reason for us.
        Err(_) => {}
    }
    if let Ok(messages) = Messages::from_websocket(&text) {
        messages.iter().for_each(drop);
    }
});
