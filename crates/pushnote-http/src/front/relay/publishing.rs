//! Publishers: what they send and ask (protocol, section 3.2).

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderMap, ORIGIN, VIA};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use pushnote_core::body::media_type;
use pushnote_core::{Body as Payload, ChannelName, Subject};
use pushnote_net::{Network, Peer};
use pushnote_relay::{InfoFormat, Location, Publishing};

use super::channels::Channels;
use crate::context::Context;
use crate::front::upstream::is_forwarding;
use crate::front::{Body, plain, read, whole};
use crate::publisher::{Message, PublishError};

/// The type of a body that came with none: the one that says nothing (RFC 9110, section 8.3).
const NO_TYPE: &str = "application/octet-stream";

/// Why one may not publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "this address may not publish here: name it in allow_network of the location, or send an API key"
    )]
    Address,
    #[error(
        "the request came through a proxy, and nobody says from where: name the proxy in trusted_proxy, or let the application \
         publish to this server directly"
    )]
    Proxied,
    #[error("pages of this origin may not publish here: name it in allow_origin of the location")]
    Origin,
}

/// Whether a request may publish: by the address it comes from, and by the page, if a browser sends it. Who opens a page on the
/// machine of the application has that machine's address.
pub(super) fn refusal(
    location: &Location,
    publishing: &Publishing,
    headers: &HeaderMap,
    peer: Option<Peer>,
    trusted: &[Network],
) -> Option<Refusal> {
    let peer_ip: Option<IpAddr> = peer.and_then(Peer::ip);
    let is_proxy = peer_ip.is_none_or(|peer| trusted.iter().any(|network| network.contains(peer)));
    // Whoever is behind a proxy that is not known may be anybody.
    if !is_proxy && headers.keys().any(|name| *name == VIA || is_forwarding(name)) {
        return Some(Refusal::Proxied);
    }
    let client = pushnote_sockjs::client_addr(peer, headers, trusted);
    if is_proxy && client == peer_ip {
        return Some(Refusal::Proxied);
    }
    if !publishing.allows(client) {
        return Some(Refusal::Address);
    }
    let allows = |origin| location.cors.as_ref().is_some_and(|cors| cors.allows(origin));
    headers.get(ORIGIN).is_some_and(|origin| !allows(origin)).then_some(Refusal::Origin)
}

/// Answers a request that is allowed.
pub(super) async fn answer(
    channels: &Channels,
    context: &Arc<Context>,
    (location, publishing): (&Location, &Publishing),
    channel: &ChannelName,
    (head, body): (&Parts, Incoming),
) -> Response<Body> {
    let informed = |status, info| informed(status, &head.headers, &info);
    match head.method {
        Method::GET if channels.has(location, channel) => {
            informed(StatusCode::OK, channels.info(location, channel))
        }
        Method::DELETE if channels.has(location, channel) => {
            let info = channels.info(location, channel);
            channels.delete(channel);
            informed(StatusCode::OK, info)
        }
        Method::PUT => match channels.create(channel) {
            Ok(()) => informed(StatusCode::OK, channels.info(location, channel)),
            Err(error) => plain(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        },
        Method::POST if publishing.create_on_post || channels.has(location, channel) => {
            let limits = &context.limits;
            let body = match read(body, limits.message_bytes_max, limits.handshake_timeout_s).await {
                Ok(body) => body,
                Err(error) => return plain(error.status(), &error.to_string()),
            };
            let Some(payload) = payload(&head.headers, &body) else {
                return plain(
                    StatusCode::BAD_REQUEST,
                    "the Content-Type is no media type of at most 248 ASCII characters",
                );
            };
            if let Err(error) = channels.create(channel) {
                return plain(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
            }
            let subscribers = channels.serve(channel);
            let audience = [Subject::Channel(channel.clone())].into_iter().collect();
            let message = Message { body: payload, event: None, audience, push: None };
            if let Err(error) = context.publisher.publish(message).await {
                channels.unserve(channel);
                return plain(status(&error), &error.to_string());
            }
            channels.counters.published.add(1);
            let info = pushnote_relay::Info { subscribers, ..channels.info(location, channel) };
            informed(if subscribers > 0 { StatusCode::CREATED } else { StatusCode::ACCEPTED }, info)
        }
        _ => plain(StatusCode::NOT_FOUND, "there is no such channel"),
    }
}

/// The message as the log has it.
fn payload(headers: &HeaderMap, body: &bytes::Bytes) -> Option<Payload> {
    let given = headers.get(CONTENT_TYPE).map_or(Ok(NO_TYPE), |value| value.to_str()).ok()?;
    // There is to be room for what says that the bytes are in base64.
    let given = media_type(given).ok().filter(|given| given.len() <= 248)?;
    Some(Payload::of(given, body))
}

fn status(error: &PublishError) -> StatusCode {
    match error {
        PublishError::TooLong { .. } | PublishError::TooManySubjects { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// An answer with what there is to say of the channel.
fn informed(status: StatusCode, asked: &HeaderMap, info: &pushnote_relay::Info) -> Response<Body> {
    let accepted = asked.get_all(http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (media_type, format) = InfoFormat::accepted(&accepted.collect::<Vec<_>>().join(","));
    let mut response = Response::new(whole(format.write(info)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use pushnote_relay::{Buffer, Cors, Kind, Pattern};

    use super::*;

    fn refused(peer: &str, given: &[(&'static str, &'static str)], origin: Option<&str>) -> Option<Refusal> {
        let publishing = Publishing { create_on_post: true, allow_network: Vec::new() };
        let location = Location {
            pattern: Pattern::prefix("/", None).unwrap(),
            store: "relay".into(),
            buffer: Buffer::default(),
            cors: origin.map(|origin| Cors::new(origin, false).unwrap()),
            kind: Kind::Publisher(publishing.clone()),
        };
        let headers = given
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let peer = Peer::Tcp(format!("{peer}:1").parse().unwrap());
        refusal(&location, &publishing, &headers, Some(peer), &["10.0.0.1".parse().unwrap()])
    }

    #[test]
    fn only_this_machine_publishes_if_nothing_else_is_said() {
        assert_eq!(refused("127.0.0.1", &[], None), None);
        assert_eq!(refused("192.0.2.1", &[], None), Some(Refusal::Address));
    }

    #[test]
    fn nobody_publishes_through_a_proxy_that_is_not_known() {
        for name in
            ["x-forwarded-for", "x_forwarded_for", "x-forwarded-proto", "forwarded", "x-real-ip", "via"]
        {
            assert_eq!(refused("127.0.0.1", &[(name, "127.0.0.1")], None), Some(Refusal::Proxied), "{name}");
        }
        let behind = |client| refused("10.0.0.1", &[("x-forwarded-for", client)], None);
        assert_eq!(behind("192.0.2.1"), Some(Refusal::Address));
        assert_eq!(behind("127.0.0.1"), None);
        assert_eq!(refused("10.0.0.1", &[], None), Some(Refusal::Proxied));
        assert_eq!(refused("10.0.0.1", &[("via", "1.1 a")], None), Some(Refusal::Proxied));
    }

    #[test]
    fn no_page_publishes_that_is_not_named() {
        let page = [("origin", "http://evil.example")];
        assert_eq!(refused("127.0.0.1", &page, None), Some(Refusal::Origin));
        assert_eq!(refused("127.0.0.1", &page, Some("http://own.example")), Some(Refusal::Origin));
        assert_eq!(refused("127.0.0.1", &page, Some("http://evil.example")), None);
    }
}
