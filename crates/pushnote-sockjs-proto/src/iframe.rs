//! The iframe page: it lets old browsers reach a service of another origin from within a frame.

/// The page, loading sockjs-client from `client_url`, which must be the version of the page that embeds it.
pub fn page(client_url: &str) -> String {
    let client_url = client_url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!(
        r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="{client_url}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_cannot_leave_its_attribute() {
        assert!(page("/sockjs.js").contains(r#"<script src="/sockjs.js"></script>"#));
        assert!(page("/\"><b").contains(r#"<script src="/&quot;>&lt;b"></script>"#));
    }
}
