//! jsonp's forms and callbacks: whatever comes, a callback is a name, and a form's field comes out as it went in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pushnote_sockjs_proto::{
    callback::Callback,
    frame::{self, Framing},
    input::{self, Messages},
};

fuzz_target!(|bytes: &[u8]| {
    let field = input::form_field(bytes);
    let _ = Messages::from_body(&field).map(|messages| messages.iter().for_each(drop));

    let text = String::from_utf8_lossy(bytes);
    let _ = input::is_form(&text);
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    assert_eq!(input::form_field(format!("i=1&d={encoded}&x").as_bytes()), text);

    if let Ok(callback) = Callback::from_query(&text, 32) {
        let name = callback.as_str();
        assert!((1..=32).contains(&name.len()));
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        assert_eq!(Framing::Jsonp(callback.clone()).wrap(frame::OPEN.as_bytes()), format!("/**/{name}(\"o\");\r\n"));
    }
});
