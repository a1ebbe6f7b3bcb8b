//! Ranges of addresses.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

/// IPv4's part of IPv6, in which a listener on IPv6 sees the addresses of IPv4 (RFC 4291, section 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// A range of addresses in CIDR notation, or a single address: `10.0.0.0/8`, `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

/// The text is no range of addresses.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no range of addresses; write it as 10.0.0.0/8, 192.0.2.1 or fd00::/8")]
pub struct ParseNetworkError(String);

impl Network {
    /// Whether an address lies in it. An IPv4 address is the same as its IPv4-mapped IPv6 form.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether every address of IPv4, or of IPv6, lies in it.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let network = text.parse().ok().or_else(single);
        network.map(|network| Self(canonical(network))).ok_or_else(|| ParseNetworkError(text.to_owned()))
    }
}

/// A range of mapped addresses as a range of IPv4, which is what addresses are looked up as.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match (network.addr().to_canonical(), network.prefix_len().checked_sub(MAPPED_PREFIX)) {
        (IpAddr::V4(address), Some(length)) if network.addr().is_ipv6() => Ipv4Net::new(address, length).ok(),
        _ => None,
    };
    mapped.map_or(network, IpNet::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_in_either_of_its_forms() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "::ffff:10.255.0.1", "::ffff:11.0.0.1"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"),
            ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("::ffff:10.0.0.0/104", "::ffff:10.255.0.1", "11.0.0.1"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.9"),
        ] {
            let contains =
                |address: &str| text.parse::<Network>().unwrap().contains(address.parse().unwrap());
            assert!(contains(inside), "{inside} in {text}");
            assert!(!contains(outside), "{outside} not in {text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_right_form() {
        for text in ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "host"] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains("10.0.0.0/8"), "{error}");
        }
    }
}
