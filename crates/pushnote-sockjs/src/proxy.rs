//! Whose address a request comes from, when proxies stand in front.

use std::net::IpAddr;

use http::HeaderMap;
use pushnote_net::{Network, Peer};

/// The client's address: the peer's, or, when the peer is a trusted proxy, the last address in `X-Forwarded-For` that is
/// not one. What stands before it was written by someone nobody vouches for. Whoever comes by a Unix socket is a trusted
/// proxy: the rights of the socket's file say so.
#[must_use]
pub fn client_addr(peer: Option<Peer>, headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let is_trusted = |client: Option<IpAddr>| {
        client.is_none_or(|client| trusted.iter().any(|range| range.contains(client)))
    };
    let mut client = peer?.ip();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut hops = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(','));
    while is_trusted(client) {
        match hops.next().and_then(parse_hop) {
            Some(address) => client = Some(address),
            None => break,
        }
    }
    client
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    if let Ok(address) = hop.parse() {
        return Some(address);
    }
    if let Ok(address) = hop.parse::<std::net::SocketAddr>() {
        return Some(address.ip());
    }
    hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn forwarded_addresses_count_only_from_trusted_proxies() {
        let trusted = [network("10.0.0.0/8"), network("::1")];
        for (peer, forwarded, client) in [
            ("203.0.113.1", "198.51.100.1", "203.0.113.1"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("::1", "[2001:db8::1]:80", "2001:db8::1"),
            ("::1", "[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.1", "junk", "10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, junk", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", HeaderValue::from_str(forwarded).unwrap());
            assert_eq!(
                client_addr(Some(Peer::Tcp((ip(peer), 80).into())), &headers, &trusted),
                Some(ip(client)),
                "{peer} {forwarded}"
            );
        }
        let mut headers = HeaderMap::new();
        assert_eq!(client_addr(Some(Peer::Unix), &headers, &trusted), None);
        headers.insert("x-forwarded-for", HeaderValue::from_static("198.51.100.1, 10.0.0.2"));
        assert_eq!(client_addr(Some(Peer::Unix), &headers, &trusted), Some(ip("198.51.100.1")));
        assert_eq!(client_addr(None, &headers, &trusted), None);
    }
}
