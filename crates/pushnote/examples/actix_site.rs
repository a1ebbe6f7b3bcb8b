//! A site on actix-web: each order appears at once on all pages of who has ordered.
//!
//! PUSHNOTE_MQ_SOCKET says where messages go, PUSHNOTE_SECRET is the server's, PUSHNOTE_URL is where pages find it.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use actix_web::error::ErrorInternalServerError;
use actix_web::{App, HttpResponse, HttpServer, Result, get, post};
use serde_json::json;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let _flush = pushnote::flush_on_drop(Duration::from_secs(5));
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".into());
    let site = HttpServer::new(|| App::new().service(page).service(script).service(order))
        .bind(format!("127.0.0.1:{port}"))?;
    for address in site.addrs() {
        println!("listening on http://{address}");
    }
    site.run().await?;
    Ok(())
}

/// Whose page it is: in life, the session says so.
const USER: &str = "42";

/// With a token, by which the push server knows whose page it is.
#[get("/")]
async fn page() -> Result<HttpResponse> {
    let server = std::env::var("PUSHNOTE_URL").unwrap_or_else(|_| "http://localhost:8080/sockjs".into());
    let token = pushnote::tokenize(USER).map_err(ErrorInternalServerError)?;
    let page = include_str!("page.html").replace("{{server}}", &server).replace("{{token}}", &token);
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page))
}

#[get("/pushnote.mjs")]
async fn script() -> HttpResponse {
    HttpResponse::Ok().content_type("text/javascript").body(include_str!("pushnote.mjs"))
}

/// Publishing waits for nothing. Who has to know that servers have it awaits `notify_acked_async`.
#[post("/orders")]
async fn order() -> Result<HttpResponse> {
    static ORDERS: AtomicU64 = AtomicU64::new(1);
    pushnote::notify(json!({"order": ORDERS.fetch_add(1, Relaxed)}), [USER])
        .map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Created().finish())
}
