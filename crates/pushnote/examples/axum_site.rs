//! A site on axum: each order appears at once on all pages of who has ordered.
//!
//! PUSHNOTE_MQ_SOCKET says where messages go, PUSHNOTE_SECRET is the server's, PUSHNOTE_URL is where pages find it.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let _flush = pushnote::flush_on_drop(Duration::from_secs(5));
    let script = ([(CONTENT_TYPE, "text/javascript")], include_str!("pushnote.mjs"));
    let site =
        Router::new().route("/", get(page)).route("/pushnote.mjs", get(script)).route("/orders", post(order));
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".into());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let end = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, site).with_graceful_shutdown(end).await?;
    Ok(())
}

/// Whose page it is: in life, the session says so.
const USER: &str = "42";

/// With a token, by which the push server knows whose page it is.
async fn page() -> Result<Html<String>, Failure> {
    let server = std::env::var("PUSHNOTE_URL").unwrap_or_else(|_| "http://localhost:8080/sockjs".into());
    let token = pushnote::tokenize(USER)?;
    Ok(Html(include_str!("page.html").replace("{{server}}", &server).replace("{{token}}", &token)))
}

/// Publishing waits for nothing. Who has to know that servers have it awaits `notify_acked_async`.
async fn order() -> Result<StatusCode, Failure> {
    static ORDERS: AtomicU64 = AtomicU64::new(1);
    pushnote::notify(json!({"order": ORDERS.fetch_add(1, Relaxed)}), [USER])?;
    Ok(StatusCode::CREATED)
}

/// The log says what is wrong, a browser is not told.
struct Failure(Box<dyn Error>);

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        eprintln!("{}", self.0);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
