//! The answer of `/info`: what the client asks before it picks a transport.

/// What a service says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Info<'a> {
    /// Whether WebSocket may be tried.
    pub websocket: bool,
    /// Whether any origin may use the service (`"origins":["*:*"]`); the field is left out otherwise. Clients ignore it.
    pub any_origin: bool,
    /// Whether requests should carry cookies, for load balancers that stick by `JSESSIONID`.
    pub cookie_needed: bool,
    /// Another URL that the client shall connect to, instead of the one it asked.
    pub base_url: Option<&'a str>,
    /// Milliseconds after which a client that was sent nothing else gets a heartbeat, so that it can tell when its
    /// connection is dead. Not a field of the protocol; clients that do not know it ignore it.
    pub heartbeat_delay_ms: u64,
    /// A random number, fresh for every answer: browsers of old had no good source of their own.
    pub entropy: u32,
}

impl Info<'_> {
    /// The JSON of the answer.
    pub fn to_json(&self) -> String {
        let Self { websocket, cookie_needed, heartbeat_delay_ms, entropy, .. } = self;
        let origins = if self.any_origin { "\"origins\":[\"*:*\"]," } else { "" };
        let base_url = self.base_url.map_or_else(String::new, |url| {
            let mut json = b"\"base_url\":".to_vec();
            crate::escape::text(url, &mut json);
            json.push(b',');
            String::from_utf8_lossy(&json).into_owned()
        });
        format!(
            r#"{{"websocket":{websocket},{origins}{base_url}"cookie_needed":{cookie_needed},"heartbeat_delay":{heartbeat_delay_ms},"entropy":{entropy}}}"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_json_with_the_protocols_fields() {
        let mut info = Info {
            websocket: true,
            any_origin: true,
            cookie_needed: false,
            base_url: None,
            heartbeat_delay_ms: 25_000,
            entropy: u32::MAX,
        };
        assert_eq!(
            info.to_json(),
            r#"{"websocket":true,"origins":["*:*"],"cookie_needed":false,"heartbeat_delay":25000,"entropy":4294967295}"#
        );
        info.any_origin = false;
        info.base_url = Some("https://example.net/\"");
        let value: serde_json::Value = serde_json::from_str(&info.to_json()).unwrap();
        assert_eq!(value["base_url"], "https://example.net/\"");
        assert!(value["origins"].is_null());
    }
}
