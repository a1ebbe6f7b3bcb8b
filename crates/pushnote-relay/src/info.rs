//! What is said about a channel, in the body of every answer of success to a publisher (protocol, section 3.2).

use std::fmt::Write as _;

/// What is known of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Messages that are stored.
    pub messages: usize,
    /// Seconds since a subscriber has last asked; `None` if none ever has.
    pub requested_s: Option<u64>,
    /// Subscribers' requests that were held before this request.
    pub subscribers: usize,
}

/// How it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InfoFormat {
    /// Words.
    Text,
    /// JSON.
    Json,
    /// XML.
    Xml,
    /// YAML.
    Yaml,
}

/// The types by which each format is asked for, which the answer then has.
const TYPES: [(&str, InfoFormat); 11] = [
    ("text/plain", InfoFormat::Text),
    ("text/json", InfoFormat::Json),
    ("application/json", InfoFormat::Json),
    ("application/x-json", InfoFormat::Json),
    ("text/xml", InfoFormat::Xml),
    ("application/xml", InfoFormat::Xml),
    ("text/yaml", InfoFormat::Yaml),
    ("application/yaml", InfoFormat::Yaml),
    ("text/x-yaml", InfoFormat::Yaml),
    ("application/x-yaml", InfoFormat::Yaml),
    ("text/x-json", InfoFormat::Json),
];

impl InfoFormat {
    /// The type that an `Accept` likes best among those there are, the first of several that it likes as much; text if it
    /// names none.
    #[must_use]
    pub fn accepted(accept: &str) -> (&'static str, Self) {
        let mut best = (TYPES[0], 0);
        for one in accept.split(',') {
            let mut parts = one.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default();
            let known = TYPES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(essence));
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
            if let Some(known) = known
                && quality > best.1
            {
                best = (known, quality);
            }
        }
        best.0
    }

    /// The body, as nginx_http_push_module writes it.
    #[must_use]
    pub fn write(self, info: &Info) -> String {
        let Info { messages, requested_s, subscribers } = info;
        let requested = requested_s.map_or_else(|| "-1".to_owned(), |seconds| seconds.to_string());
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Text => write!(
                out,
                "queued messages: {messages}\r\nlast requested: {requested} sec. ago (-1=never)\r\nactive subscribers: {subscribers}"
            ),
            Self::Json => write!(
                out,
                "{{\"messages\": {messages}, \"requested\": {requested}, \"subscribers\": {subscribers} }}"
            ),
            Self::Xml => write!(
                out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<channel>\r\n  <messages>{messages}</messages>\r\n  \
                 <requested>{requested}</requested>\r\n  <subscribers>{subscribers}</subscribers>\r\n</channel>"
            ),
            Self::Yaml => write!(
                out,
                "---\r\nmessages: {messages}\r\nrequested: {requested}\r\nsubscribers: {subscribers}\r\n\r\n"
            ),
        };
        out
    }
}

/// A quality (RFC 9110, section 12.4.2), times 1000; what is none is 0.
fn thousandths(text: &str) -> u32 {
    let quality = text.parse::<f32>().unwrap_or_default().clamp(0.0, 1.0);
    (quality * 1000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_are_the_references() {
        let info = Info { messages: 1, requested_s: None, subscribers: 0 };
        let text = "queued messages: 1\r\nlast requested: -1 sec. ago (-1=never)\r\nactive subscribers: 0";
        assert_eq!(InfoFormat::Text.write(&info), text);
        let json = r#"{"messages": 1, "requested": -1, "subscribers": 0 }"#;
        assert_eq!(InfoFormat::Json.write(&info), json);
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<channel>\r\n  <messages>1</messages>\r\n  <requested>-1</requested>\r\n  <subscribers>0</subscribers>\r\n</channel>";
        assert_eq!(InfoFormat::Xml.write(&info), xml);
        let info = Info { requested_s: Some(7), subscribers: 2, ..info };
        let yaml = "---\r\nmessages: 1\r\nrequested: 7\r\nsubscribers: 2\r\n\r\n";
        assert_eq!(InfoFormat::Yaml.write(&info), yaml);
    }

    #[test]
    fn the_format_is_the_one_that_is_liked_best() {
        for (accept, media_type, format) in [
            ("", "text/plain", InfoFormat::Text),
            ("*/*", "text/plain", InfoFormat::Text),
            ("text/html, application/xml;q=0.9, */*;q=0.8", "application/xml", InfoFormat::Xml),
            ("text/json; q=0.1, text/plain", "text/plain", InfoFormat::Text),
            ("text/yaml,text/json", "text/yaml", InfoFormat::Yaml),
            ("APPLICATION/JSON", "application/json", InfoFormat::Json),
            ("text/json;q=0", "text/plain", InfoFormat::Text),
            ("text/json;q=NaN, application/x-yaml; a=b; q=0.5", "application/x-yaml", InfoFormat::Yaml),
        ] {
            assert_eq!(InfoFormat::accepted(accept), (media_type, format), "{accept}");
        }
    }
}
