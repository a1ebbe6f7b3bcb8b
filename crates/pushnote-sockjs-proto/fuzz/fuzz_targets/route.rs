//! Paths: what is matched is what the protocol allows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pushnote_sockjs_proto::route::{self, Route, SESSION_ID_BYTES_MAX};

fuzz_target!(|text: &str| {
    let path = format!("/echo{text}");
    let Some(rest) = route::under_prefix(&path, "/echo") else {
        assert!(!text.is_empty() && !text.starts_with('/'));
        return;
    };
    assert_eq!(rest, text);
    match Route::parse(rest) {
        Some(Route::Session { id, .. }) => {
            assert!(!id.is_empty() && id.len() <= SESSION_ID_BYTES_MAX);
            assert!(!id.contains(['/', '.']));
            let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
            assert_eq!((parts.len(), parts[2]), (4, id));
        }
        Some(Route::Greeting) => assert!(rest.is_empty() || rest == "/"),
        Some(Route::Info | Route::Iframe | Route::Base(_)) => {
            assert_eq!(rest.trim_end_matches('/').matches('/').count(), 1);
        }
        None => {}
    }
});
