//! From a request to a WebSocket, and what happens on it. Its session lives and ends with it.

use std::{borrow::Cow, ops::ControlFlow, sync::Arc};

use http::{StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use pushnote_sockjs_proto::{Close, input::Messages, session::CloseCause};
use pushnote_websocket::{Cause, Event, Socket, TakeOverError, handshake, take_over};

use crate::{
    guard::ConnectionGuard,
    handler::{Connection, Handler, SessionInfo},
    receive::unavailable,
    registry::{Refused, WebSocketKey},
    request::Request,
    response::{Body, Response, forbidden, text},
    service::Service,
    session::Session,
    site::Site,
    transport::{Transport, endpoint::WebSocket},
    websocket_session::{WebSocketSession, websocket_close_reason},
};

pub(crate) fn answer<H: Handler>(
    site: &Site<H>,
    request: &mut Request,
    transport: Transport,
    how: &'static WebSocket,
) -> Response {
    let service = &site.service;
    if !service.options.allowed_origins.allow(&request.headers) {
        return forbidden();
    }
    // Hyper offers an upgrade on HTTP/1.1 alone.
    let accept = match handshake::check(&request.method, Version::HTTP_11, &request.headers) {
        Ok(accept) => accept,
        Err(error) => return error.response().map(Body::from),
    };
    let Some(upgrade) = request.upgrade.take() else {
        return text(StatusCode::BAD_REQUEST, "This connection cannot become a WebSocket.\n");
    };
    if let Err(refused) = service.registry.check_room() {
        return unavailable(service, &refused);
    }
    let opening = Box::new(Opening { info: site.info(request, transport), how });
    tokio::spawn(connect(Arc::clone(service), upgrade, opening, request.guard.take()));
    accept.response().map(|()| Body::from(""))
}

/// What is known before the upgrade, and needed until the session is open.
struct Opening {
    info: SessionInfo,
    how: &'static WebSocket,
}

/// One connection, from its upgrade to its end.
///
/// This future is most of what an idle WebSocket costs.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
fn connect<H: Handler>(
    service: Arc<Service<H>>,
    upgrade: OnUpgrade,
    opening: Box<Opening>,
    guard: Option<ConnectionGuard>,
) -> impl Future<Output = ()> + Send {
    async move {
        let _guard = guard;
        let (stream, read_ahead) = match take_over(upgrade, &service.options.hyper_io).await {
            Ok(parts) => parts,
            Err(error) => return note_failure(&service, &error),
        };
        let transport = opening.info.transport;
        let (socket, driver) = Socket::new(stream, read_ahead, service.socket_options.of(transport));
        let session = Arc::new(WebSocketSession::new(socket, transport, opening.how));
        session.open();
        let _registered = Registered::new(&service, &session);
        let mut connection = open(&service, &session, &opening.info);
        drop(opening);
        let end = driver.run(|event| receive(&session, &mut connection, event)).await;
        if let Some(mut connection) = connection {
            let reason =
                websocket_close_reason(session.close_reason(), end.code, &end.reason, close_cause(end.cause));
            connection.closed(&reason);
        }
    }
}

/// Asks the application. `None` when it refused, or was not asked because the service closes.
fn open<H: Handler>(
    service: &Service<H>,
    session: &Arc<WebSocketSession>,
    info: &SessionInfo,
) -> Option<H::Connection> {
    if session.close_reason().is_some() {
        return None;
    }
    match service.handler.open(&Session::from(Arc::clone(session)), info) {
        Ok(connection) => Some(connection),
        Err(close) => {
            session.close(close);
            None
        }
    }
}

/// What happens on the connection, to the application. After the session is closed nothing is delivered any more.
fn receive<C: Connection>(
    session: &WebSocketSession,
    connection: &mut Option<C>,
    event: Event<'_>,
) -> ControlFlow<(u16, Cow<'static, str>)> {
    let Some(connection) = connection.as_mut().filter(|_| session.close_reason().is_none()) else {
        return ControlFlow::Continue(());
    };
    match event {
        Event::Room => connection.room(),
        Event::Text(text) if session.takes_arrays() => deliver(session, connection, text),
        Event::Text(text) => connection.message(text),
        Event::Binary(payload) if session.takes_arrays() => {
            deliver(session, connection, &String::from_utf8_lossy(payload));
        }
        Event::Binary(payload) => {
            if let Err(close) = connection.binary(payload) {
                session.close(close);
            }
        }
    }
    ControlFlow::Continue(())
}

fn deliver<C: Connection>(session: &WebSocketSession, connection: &mut C, text: &str) {
    let Ok(messages) = Messages::from_websocket(text) else {
        return session.refuse(Close::BROKEN_FRAMING);
    };
    for message in messages.iter() {
        if session.close_reason().is_some() {
            return;
        }
        connection.message(&message);
    }
}

fn close_cause(cause: Cause) -> CloseCause {
    match cause {
        Cause::PeerClosed | Cause::Reset => CloseCause::Client,
        Cause::WeClosed | Cause::CloseTimeout => CloseCause::Application,
        Cause::ProtocolError => CloseCause::ProtocolError,
        Cause::NoPong => CloseCause::Unresponsive,
    }
}

fn note_failure<H: Handler>(service: &Service<H>, error: &TakeOverError) {
    match error {
        TakeOverError::UnknownIo => {
            if let Some(unlogged) = service.log.due("unknown_io") {
                tracing::warn!(
                    unlogged,
                    "a WebSocket takes over the TCP or Unix stream under hyper, and here it does not know how: tell it by \
                     hyper_io of the service's builder; TLS ends in a proxy in front"
                );
            }
        }
        TakeOverError::NotUpgraded(_) => tracing::debug!(%error, "a WebSocket handshake came to nothing"),
    }
}

/// The session's place in the registry, left when its task ends, even if that is by a panic of the application.
struct Registered<H: Handler> {
    service: Arc<Service<H>>,
    key: Option<WebSocketKey>,
}

impl<H: Handler> Registered<H> {
    /// Closes the session when the service began to close, or filled up, since the handshake.
    fn new(service: &Arc<Service<H>>, session: &Arc<WebSocketSession>) -> Self {
        let key = match service.registry.add_websocket(Arc::clone(session)) {
            Ok(key) => Some(key),
            Err(refused) => {
                session.close(match refused {
                    Refused::Closing(close) => close,
                    Refused::Full | Refused::TooFast | Refused::Stranger => {
                        Close::new(1013, "Too many sessions")
                    }
                });
                None
            }
        };
        Self { service: Arc::clone(service), key }
    }
}

impl<H: Handler> Drop for Registered<H> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.service.registry.remove_websocket(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As large as that of pushnote's server.
    struct Application([usize; 7]);

    impl Connection for Application {
        fn message(&mut self, _: &str) {
            self.0[0] += 1;
        }
    }

    #[test]
    fn an_idle_connections_task_takes_no_more_than_512_bytes() {
        // Tokio adds up to 104 bytes and rounds to 128; see what a task allocates before raising this.
        const FUTURE_BYTES_MAX: usize = 408;
        let sockjs = crate::SockJs::builder()
            .build(|_: &Session, _: &SessionInfo| Ok::<_, Close>(Application([0; 7])));
        let how = Transport::WebSocket.websocket().unwrap();
        let info = SessionInfo {
            remote_addr: None,
            transport: Transport::WebSocket,
            path: String::new(),
            query: None,
            headers: http::HeaderMap::new(),
        };
        let upgrade = hyper::upgrade::on(http::Request::new(()));
        let future = connect(Arc::clone(sockjs.service()), upgrade, Box::new(Opening { info, how }), None);
        assert!(size_of_val(&future) <= FUTURE_BYTES_MAX, "{} bytes", size_of_val(&future));
    }
}
