//! Locations of the push relay protocol, with the names and meanings that django-pushserver's settings have.

use std::str::FromStr;

use http::Uri;
use pushnote_net::Network;
use pushnote_relay::{
    Buffer, BufferArgs, Concurrency, Cors, Kind, Location, Pattern, Polling, Publishing, Subscribing,
};
use toml::de::{DeTable, DeValue};

use crate::file::{scalar, unknown};
use crate::schema::LOCATIONS;
use crate::tables::{TableFault, switch, text};
use crate::values::{age, count};

const KEYS: [&str; 18] = [
    "type",
    "url",
    "prefix",
    "parameter",
    "store",
    "allow_origin",
    "allow_credentials",
    "min_messages",
    "max_messages",
    "message_timeout",
    "store_messages",
    "create_on_post",
    "allow_network",
    "polling",
    "concurrency",
    "create_on_get",
    "subscriber_timeout",
    "passthrough",
];

/// Of these keys of [`KEYS`], the first is about publishers, and those behind the second about subscribers.
const PUBLISHERS_ALONE: [&str; 2] = ["create_on_post", "allow_network"];
const SUBSCRIBERS_ALONE: [&str; 5] =
    ["polling", "concurrency", "create_on_get", "subscriber_timeout", "passthrough"];

/// What the names of channels begin with in the log if nothing else is said.
const STORE: &str = "relay";

/// Locations, each with what it says of its store's buffer.
#[derive(Debug, Clone)]
pub struct LocationTables(pub Vec<(Location, BufferArgs)>);

impl FromStr for LocationTables {
    type Err = TableFault;

    fn from_str(text: &str) -> Result<Self, TableFault> {
        crate::tables::parse(&LOCATIONS, text, location).map(Self)
    }
}

/// What a table says.
#[derive(Default)]
struct Said {
    url: Option<String>,
    prefix: Option<String>,
    parameter: Option<String>,
    store: Option<String>,
    allow_origin: Option<String>,
    allow_credentials: bool,
    buffer: BufferArgs,
    create_on_post: Option<bool>,
    allow_network: Vec<Network>,
    interval: bool,
    concurrency: Option<Concurrency>,
    create_on_get: bool,
    subscriber_timeout_s: u64,
    passthrough: Option<Uri>,
}

fn location(table: &DeTable<'_>) -> Result<(Location, BufferArgs), TableFault> {
    let publishes = publishes(table)?;
    let mut said = Said::default();
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        let others: &[&str] = if publishes { &SUBSCRIBERS_ALONE } else { &PUBLISHERS_ALONE };
        let set = if others.contains(&key) {
            let other = if publishes { "subscriber" } else { "publisher" };
            Err(format!("it is of locations whose type is {other:?} only"))
        } else {
            said.set(key, value.get_ref())
        };
        set.map_err(|what| TableFault(format!("{key}: {what}")))?;
    }
    said.works(publishes)?;
    let pattern = said.pattern()?;
    let cors = said.cors(publishes)?;
    let buffer_args = said.buffer;
    let kind = if publishes {
        let create_on_post = said.create_on_post.unwrap_or(true);
        Kind::Publisher(Publishing { create_on_post, allow_network: said.allow_network })
    } else {
        let timeout_s = said.subscriber_timeout_s;
        Kind::Subscriber(Subscribing {
            polling: if said.interval { Polling::Interval } else { Polling::Long },
            concurrency: said.concurrency.unwrap_or(Concurrency::Broadcast),
            create_on_get: said.create_on_get,
            timeout: (timeout_s > 0).then(|| std::time::Duration::from_secs(timeout_s)),
            passthrough: said.passthrough,
        })
    };
    let store = said.store.unwrap_or_else(|| STORE.to_owned()).into();
    Ok((Location { pattern, store, buffer: Buffer::default(), cors, kind }, buffer_args))
}

/// Whether its type says that it is publishers'.
fn publishes(table: &DeTable<'_>) -> Result<bool, TableFault> {
    let wanted = r#"give "publisher" or "subscriber""#;
    let given = table.iter().find(|(key, _)| key.get_ref() == "type").map(|(_, value)| text(value.get_ref()));
    match given {
        None => Err(TableFault(format!("it has no type; {wanted}, as in type = \"subscriber\""))),
        Some(Ok(text)) if text == "publisher" => Ok(true),
        Some(Ok(text)) if text == "subscriber" => Ok(false),
        Some(_) => Err(TableFault(format!("type: {wanted}"))),
    }
}

impl Said {
    fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), String> {
        let number = || scalar(value).ok_or_else(|| "give a number or a string".to_owned());
        match key {
            "type" => {}
            "url" => self.url = Some(text(value)?),
            "prefix" => self.prefix = Some(text(value)?),
            "parameter" => self.parameter = Some(text(value)?),
            "store" => self.store = Some(store(text(value)?)?),
            "allow_origin" => self.allow_origin = Some(text(value)?),
            "allow_credentials" => self.allow_credentials = switch(value)?,
            "min_messages" => self.buffer.min_messages = Some(count(&number()?)?),
            "max_messages" => self.buffer.max_messages = Some(count(&number()?)?),
            "message_timeout" => self.buffer.message_timeout_s = Some(age(&number()?)?),
            "store_messages" => self.buffer.store_messages = Some(switch(value)?),
            "create_on_post" => self.create_on_post = Some(switch(value)?),
            "allow_network" => self.allow_network = networks(value)?,
            "polling" => {
                self.interval = match text(value)?.as_str() {
                    "long" => false,
                    "interval" => true,
                    _ => return Err(r#"give "long" or "interval""#.to_owned()),
                }
            }
            "concurrency" => self.concurrency = Some(concurrency(&text(value)?)?),
            "create_on_get" => self.create_on_get = switch(value)?,
            "subscriber_timeout" => self.subscriber_timeout_s = age(&number()?)?,
            "passthrough" => self.passthrough = Some(http_url(&text(value)?)?),
            other => {
                let advice = format!("there are {}", KEYS.join(", "));
                return Err(unknown("setting of locations", other, KEYS, &advice));
            }
        }
        Ok(())
    }

    /// Nothing is said that does nothing.
    fn works(&self, publishes: bool) -> Result<(), TableFault> {
        let fault = |what: &str| Err(TableFault(what.to_owned()));
        if publishes && self.allow_credentials && self.allow_origin.is_none() {
            return fault(
                "allow_credentials: no page may publish here: name its allow_origin, or do without",
            );
        }
        if self.interval && self.subscriber_timeout_s > 0 {
            return fault(
                "subscriber_timeout: with polling = \"interval\" no request waits: do without one of the two",
            );
        }
        if self.interval && self.passthrough.is_some() {
            return fault(
                "passthrough: it is told who waits, and with polling = \"interval\" nobody does: do without one of the two",
            );
        }
        Ok(())
    }

    fn pattern(&self) -> Result<Pattern, TableFault> {
        let parameter = self.parameter.as_deref();
        let (key, made) = match (&self.url, &self.prefix) {
            (Some(url), None) => ("url", Pattern::new(url, parameter)),
            (None, Some(prefix)) => ("prefix", Pattern::prefix(prefix, parameter)),
            (Some(_), Some(_)) => {
                return Err(TableFault("prefix: there is a url, too; give one of them".to_owned()));
            }
            (None, None) => {
                let advice = r#"it has no url; say which paths it is for, as in url = "/updates/([^/]+)""#;
                return Err(TableFault(advice.to_owned()));
            }
        };
        made.map_err(|error| TableFault(format!("{key}: {error}")))
    }

    /// Pages of all origins may ask for messages, but none may send any, if nothing else is said.
    fn cors(&self, publishes: bool) -> Result<Option<Cors>, TableFault> {
        let given = self.allow_origin.as_deref();
        let Some(origin) = given.or((!publishes).then_some("*")) else { return Ok(None) };
        let cors = Cors::new(origin, self.allow_credentials);
        cors.map(Some).map_err(|error| TableFault(format!("allow_origin: {error}")))
    }
}

fn store(text: String) -> Result<String, String> {
    if text.is_empty() || pushnote_core::ChannelName::new(&text).is_ok() {
        Ok(text)
    } else {
        Err("give a name without control characters, or \"\" for channels as they are called".to_owned())
    }
}

fn networks(value: &DeValue<'_>) -> Result<Vec<Network>, String> {
    let one = |value: &DeValue<'_>| {
        let network: Network =
            text(value)?.parse().map_err(|error: pushnote_net::ParseNetworkError| error.to_string())?;
        if network.is_everything() {
            return Err("that lets everybody publish; name the networks of the application".to_owned());
        }
        Ok(network)
    };
    match value {
        DeValue::Array(all) if all.is_empty() => {
            Err("name a network, or leave it out for this machine".to_owned())
        }
        DeValue::Array(all) => all.iter().map(|value| one(value.get_ref())).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn concurrency(text: &str) -> Result<Concurrency, String> {
    match text {
        "broadcast" => Ok(Concurrency::Broadcast),
        // nginx_http_push_module's words, too.
        "lifo" | "last" => Ok(Concurrency::LastIn),
        "filo" | "first" => Ok(Concurrency::FirstIn),
        _ => Err(r#"give "broadcast", "lifo" or "filo""#.to_owned()),
    }
}

/// An address over plain HTTP, without a password in it.
pub(crate) fn http_url(text: &str) -> Result<Uri, String> {
    http_uri(text, "http://127.0.0.1:8000/passthrough")
}

fn http_uri(text: &str, example: &str) -> Result<Uri, String> {
    let advice = || format!("give an address on HTTP, as in {example}");
    let uri: Uri = text.parse().map_err(|_| advice())?;
    if uri.scheme_str() == Some("https") {
        return Err("it is for an application within the network: give its address on http://".to_owned());
    }
    let host = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    if uri.scheme_str() == Some("http") && host { Ok(uri) } else { Err(advice()) }
}

/// As [`http_url`], of a server and not of something on it.
pub(crate) fn http_origin(text: &str) -> Result<Uri, String> {
    const EXAMPLE: &str = "http://127.0.0.1:8000";
    let uri = http_uri(text, EXAMPLE)?;
    if uri.path() == "/" && uri.query().is_none() {
        Ok(uri)
    } else {
        Err(format!("give a server's address without a path, as in {EXAMPLE}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (Location, BufferArgs) {
        let LocationTables(mut all) = text.parse().unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn the_seeds_settings_are_taken() {
        let (location, buffer) = one(r#"{ type = "subscriber", url = "/updates/([^/]+)", polling = "long",
            create_on_get = true, allow_origin = "http://127.0.0.1:8000", allow_credentials = true,
            passthrough = "http://127.0.0.1:8000/passthrough" }"#
            .replace('\n', " ")
            .as_str());
        let Kind::Subscriber(subscribing) = location.kind else { panic!("no subscriber's") };
        assert_eq!((subscribing.polling, subscribing.create_on_get), (Polling::Long, true));
        assert_eq!(subscribing.passthrough.unwrap(), "http://127.0.0.1:8000/passthrough");
        assert_eq!(location.cors, Cors::new("http://127.0.0.1:8000", true).ok());
        assert_eq!((buffer, &*location.store), (BufferArgs::default(), STORE));

        let (location, buffer) =
            one(r#"{ type = "publisher", prefix = "/send/", min_messages = 0, max_messages = 100,
            message_timeout = 10, allow_network = ["10.0.0.0/8"] }"#
                .replace('\n', " ")
                .as_str());
        let Kind::Publisher(publishing) = location.kind else { panic!("no publisher's") };
        assert!(publishing.create_on_post && publishing.allow_network.len() == 1 && location.cors.is_none());
        assert_eq!((buffer.max_messages, buffer.message_timeout_s), (Some(100), Some(10)));
        assert!(LOCATIONS.example.parse::<LocationTables>().is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_location_is_said() {
        for (text, said) in [
            ("/updates/", "give a TOML table, as in { type"),
            (r#"{ url = "/(a)" }"#, "it has no type; give \"publisher\" or \"subscriber\""),
            (r#"{ type = "sub", url = "/(a)" }"#, "type: give \"publisher\""),
            (r#"{ type = "publisher" }"#, "it has no url; say"),
            (r#"{ type = "publisher", url = "/(a)", prefix = "/" }"#, "prefix: there is a url, too"),
            (r#"{ type = "publisher", url = "/(a" }"#, "url: it is no regular expression: unclosed group"),
            (r#"{ type = "publisher", url = "/a" }"#, "url: it has no group"),
            (
                r#"{ type = "publisher", url = "/(a)", polling = "long" }"#,
                "polling: it is of locations whose type is \"subscriber\"",
            ),
            (
                r#"{ type = "subscriber", url = "/(a)", create_on_post = true }"#,
                "create_on_post: it is of locations",
            ),
            (r#"{ type = "subscriber", url = "/(a)", polling = "short" }"#, "polling: give \"long\""),
            (
                r#"{ type = "subscriber", url = "/(a)", concurrency = "all" }"#,
                "concurrency: give \"broadcast\"",
            ),
            (
                r#"{ type = "subscriber", url = "/(a)", allow_credentials = true }"#,
                "allow_origin: browsers send no cookies",
            ),
            (
                r#"{ type = "publisher", url = "/(a)", allow_credentials = true }"#,
                "allow_credentials: no page may publish here",
            ),
            (
                r#"{ type = "subscriber", url = "/(a)", polling = "interval", subscriber_timeout = 5 }"#,
                "subscriber_timeout: with polling",
            ),
            (
                r#"{ type = "subscriber", url = "/(a)", polling = "interval", passthrough = "http://a/" }"#,
                "passthrough: it is told who waits",
            ),
            (r#"{ type = "subscriber", url = "/(a)", allow_origin = "a" }"#, "allow_origin: give an origin"),
            (
                r#"{ type = "subscriber", url = "/(a)", passthrough = "https://a/" }"#,
                "passthrough: it is for an application",
            ),
            (
                r#"{ type = "subscriber", url = "/(a)", passthrough = "/a" }"#,
                "passthrough: give an address on HTTP",
            ),
            (
                r#"{ type = "publisher", url = "/(a)", allow_network = ["0.0.0.0/0"] }"#,
                "allow_network: that lets everybody",
            ),
            (r#"{ type = "publisher", url = "/(a)", allow_network = [] }"#, "allow_network: name a network"),
            (
                r#"{ type = "publisher", url = "/(a)", max_mesages = 1 }"#,
                "max_mesages: there is no setting of locations",
            ),
            (r#"{ type = "publisher", url = "/(a)", store = "a*" }"#, "store: give a name"),
        ] {
            let fault = text.parse::<LocationTables>().unwrap_err().to_string();
            assert!(fault.starts_with(said), "{text}: {fault}");
        }
    }

    #[test]
    fn a_fallback_is_a_server() {
        assert!(http_origin("http://127.0.0.1:8000").is_ok() && http_origin("http://app:8000/").is_ok());
        for text in
            ["", "127.0.0.1:8000", "https://a", "http://a/b", "http://a/?b", "http://u:p@a", "ftp://a"]
        {
            assert!(http_origin(text).is_err(), "{text}");
        }
    }
}
