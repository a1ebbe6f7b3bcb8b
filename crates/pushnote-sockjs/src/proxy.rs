//! Whose address a request comes from, when proxies stand in front.

use std::{
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use http::HeaderMap;
use thiserror::Error;

/// A range of addresses in CIDR notation, or a single address: `10.0.0.0/8`, `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange {
    network: u128,
    mask: u128,
}

/// The text is no address range.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no address range; write it as 10.0.0.0/8, 192.0.2.1 or fd00::/8")]
pub struct ParseIpRangeError(String);

impl IpRange {
    /// Whether an address lies in the range. An IPv4 address is the same as its IPv4-mapped IPv6 form.
    pub fn contains(&self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.network
    }
}

impl FromStr for IpRange {
    type Err = ParseIpRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseIpRangeError(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| error())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let length_max = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(length_max);
        if length > length_max {
            return Err(error());
        }
        let mask = u128::MAX.checked_shl(length_max - length).unwrap_or(0);
        // All of an IPv4 range lies under one IPv4-mapped prefix.
        let mask = if address.is_ipv4() { mask | !u128::from(u32::MAX) } else { mask };
        Ok(Self { network: bits(address) & mask, mask })
    }
}

/// The client's address: the peer's, or, when the peer is a trusted proxy, the last address in `X-Forwarded-For` that is
/// not one. What stands before it was written by someone nobody vouches for.
pub(crate) fn client_addr(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpRange]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let mut client = peer?;
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut hops = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(','));
    while is_trusted(client) {
        match hops.next().and_then(parse_hop) {
            Some(address) => client = address,
            None => break,
        }
    }
    Some(client)
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

fn bits(address: IpAddr) -> u128 {
    let v6: Ipv6Addr = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    v6.to_bits()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn range(text: &str) -> IpRange {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ranges() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
        ] {
            assert!(range(text).contains(ip(inside)), "{inside} in {text}");
            assert!(!range(text).contains(ip(outside)), "{outside} not in {text}");
        }
        assert!(range("::/0").contains(ip("203.0.113.9")));
        for text in ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "host"] {
            assert!(text.parse::<IpRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn forwarded_addresses_count_only_from_trusted_proxies() {
        let trusted = [range("10.0.0.0/8"), range("::1")];
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
                client_addr(Some(ip(peer)), &headers, &trusted),
                Some(ip(client)),
                "{peer} {forwarded}"
            );
        }
        assert_eq!(client_addr(None, &HeaderMap::new(), &trusted), None);
    }
}
