//! Which services may be asked.
//!
//! Endpoints come from browsers, and so from anybody: without a guard, whoever subscribes would have this server send requests
//! into the networks it stands in.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::uri::Scheme;
use pushnote_net::Network;
use url::{Host, Url};

use crate::endpoint::Endpoint;

const HTTPS_PORT: u16 = 443;

/// Says which services may be asked: by HTTPS at its own port, at public addresses, and otherwise in the networks that are
/// allowed by name.
///
/// A name may have another address each time it is looked up, so every connection asks again, with the addresses it is about
/// to use.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Networks of one's own services. In these, a service may have any port, plain HTTP, and a name without a dot.
    pub allowed_nets: Vec<Network>,
    /// If there are any, public services have one of these names, or a name below one: `push.apple.com` allows
    /// `web.push.apple.com`, too.
    pub allowed_hosts: Vec<String>,
}

/// Why a service may not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Forbidden {
    /// Plain HTTP, or another scheme.
    #[error("it is not asked by https")]
    Scheme,
    /// Not that of HTTPS.
    #[error("its port {0} is not 443")]
    Port(u16),
    /// A name of some network's own.
    #[error("its name has no dot")]
    SingleLabel,
    /// The list of names does not have it.
    #[error("its name is not among the allowed hosts")]
    Host,
    /// A number, or a name with one, that is written in a way which programs understand differently.
    #[error("its host is written in an unusual way")]
    Unusual,
    /// An address that is not public.
    #[error("its address {0} is neither public nor in an allowed network")]
    Address(IpAddr),
}

/// Where a connection may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To public addresses, and into allowed networks.
    Public,
    /// Into allowed networks alone.
    Allowed,
}

impl Guard {
    /// Whether an endpoint may be asked, as far as it can be told without looking its name up.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, endpoint: &Endpoint) -> Result<(), Forbidden> {
        let uri: Uri = endpoint.as_str().parse().map_err(|_| Forbidden::Unusual)?;
        let url = Url::parse(endpoint.as_str()).map_err(|_| Forbidden::Unusual)?;
        // Two parsers that see the same host: there is nothing that one of them could have misunderstood.
        if url.host_str() != uri.host().map(str::to_ascii_lowercase).as_deref() && !is_ipv6(&url) {
            return Err(Forbidden::Unusual);
        }
        self.reach(&uri).map(|_| ())
    }

    /// Where a connection for this URI may lead. Checks addresses that are written in it: nobody looks these up.
    pub(crate) fn reach(&self, uri: &Uri) -> Result<Reach, Forbidden> {
        let host = uri.host().ok_or(Forbidden::Unusual)?;
        let reach = match (uri.scheme(), uri.port_u16()) {
            (Some(scheme), None | Some(HTTPS_PORT)) if *scheme == Scheme::HTTPS => Reach::Public,
            _ if !self.allowed_nets.is_empty() => Reach::Allowed,
            (Some(scheme), Some(port)) if *scheme == Scheme::HTTPS => return Err(Forbidden::Port(port)),
            _ => return Err(Forbidden::Scheme),
        };
        match Host::parse(host).map_err(|_| Forbidden::Unusual)? {
            Host::Ipv4(address) if address.to_string() != host => Err(Forbidden::Unusual),
            Host::Ipv4(address) => self.literal(reach, address.into()),
            Host::Ipv6(address) => self.literal(reach, address.into()),
            Host::Domain(name) => self.name(reach, &name),
        }
    }

    /// Whether a connection may lead to an address.
    pub(crate) fn allows(&self, reach: Reach, address: IpAddr) -> bool {
        let allowed = self.allowed_nets.iter().any(|net| net.contains(address));
        allowed || (reach == Reach::Public && is_public(address))
    }

    fn literal(&self, reach: Reach, address: IpAddr) -> Result<Reach, Forbidden> {
        // A list of names has no numbers in it.
        let reach = if self.allowed_hosts.is_empty() { reach } else { Reach::Allowed };
        if self.allows(reach, address) { Ok(reach) } else { Err(Forbidden::Address(address)) }
    }

    fn name(&self, reach: Reach, name: &str) -> Result<Reach, Forbidden> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if !name.contains('.') {
            let own = !self.allowed_nets.is_empty();
            return if own { Ok(Reach::Allowed) } else { Err(Forbidden::SingleLabel) };
        }
        let below = |host: &String| {
            let host = host.trim_matches('.').to_ascii_lowercase();
            name.strip_suffix(host.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        match reach {
            Reach::Public if self.allowed_hosts.is_empty() || self.allowed_hosts.iter().any(below) => {
                Ok(Reach::Public)
            }
            // One's own service needs no place in the list of public ones.
            _ if !self.allowed_nets.is_empty() => Ok(Reach::Allowed),
            _ => Err(Forbidden::Host),
        }
    }
}

impl Forbidden {
    /// The refusal in what a client says went wrong, where one is the reason.
    pub(crate) fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        if let Some(forbidden) = error.downcast_ref::<Self>() {
            return Some(forbidden);
        }
        // The source of an `io::Error` is what lies behind the error in it, never that one itself.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| Self::within(inner));
        inner.or_else(|| error.source().and_then(Self::within))
    }
}

fn is_ipv6(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Ipv6(_)))
}

/// Whether an address is one of the public internet (IANA's registries of special-purpose addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..] // this network, private, loopback, multicast, reserved and broadcast
            | [100, 64..=127, ..]      // behind a carrier's NAT
            | [169, 254, ..]           // link-local, and the metadata of clouds
            | [172, 16..=31, ..]       // private
            | [192, 0, 0, _]           // protocols
            | [192, 0, 2, _]           // documentation
            | [192, 88, 99, _]         // relays of 6to4
            | [192, 168, ..]           // private
            | [198, 18..=19, ..]       // benchmarks
            | [198, 51, 100, _]        // documentation
            | [203, 0, 113, _] // documentation
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded =
        |high: u16, low: u16| is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low), // NAT64
        [0x2002, high, low, ..] => embedded(high, low),               // 6to4
        [0x2001, 0..=0x1ff, ..] => false,                             // protocols; Teredo
        [0x2001, 0xdb8, ..] => false,                                 // documentation
        [0x3fff, 0..=0xfff, ..] => false,                             // documentation
        [0x2000..=0x3fff, ..] => true,
        // Among them loopback, link-local, unique local, multicast, and IPv4 that is mapped.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(nets: &[&str], hosts: &[&str]) -> Guard {
        Guard {
            allowed_nets: nets.iter().map(|net| net.parse().unwrap()).collect(),
            allowed_hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        }
    }

    fn check(guard: &Guard, url: &str) -> Result<(), Forbidden> {
        guard.check(&Endpoint::parse(url).unwrap())
    }

    fn address(text: &str) -> Forbidden {
        Forbidden::Address(text.parse().unwrap())
    }

    #[test]
    fn services_of_browsers_may_be_asked() {
        for url in [
            "https://fcm.googleapis.com/fcm/send/a:b_c-d",
            "https://updates.push.services.mozilla.com:443/wpush/v2/gAAA",
            "https://web.push.apple.com/QGuQy",
            "https://db5p.notify.windows.com/w/?token=BQYAAA%2fx%2b%3d",
            "https://FCM.googleapis.com/x",
            "https://fcm.googleapis.com./x",
            "https://8.8.8.8/x",
            "https://[2606:4700:4700:0:0::1111]/x",
        ] {
            assert_eq!(check(&Guard::default(), url), Ok(()), "{url}");
        }
    }

    #[test]
    fn other_ports_schemes_and_names_without_a_dot_may_not() {
        let none = Guard::default();
        assert_eq!(check(&none, "https://push.example:8443/x"), Err(Forbidden::Port(8443)));
        assert_eq!(check(&none, "https://push.example:80/x"), Err(Forbidden::Port(80)));
        assert_eq!(check(&none, "http://push.example/x"), Err(Forbidden::Scheme));
        assert_eq!(check(&none, "http://push.example:443/x"), Err(Forbidden::Scheme));
        assert_eq!(check(&none, "https://localhost/x"), Err(Forbidden::SingleLabel));
        assert_eq!(check(&none, "https://intranet./x"), Err(Forbidden::SingleLabel));
    }

    #[test]
    fn numbers_in_every_spelling_are_checked_without_a_lookup() {
        let none = Guard::default();
        assert_eq!(check(&none, "https://127.0.0.1/x"), Err(address("127.0.0.1")));
        assert_eq!(
            check(&none, "https://169.254.169.254/latest/meta-data/"),
            Err(address("169.254.169.254"))
        );
        assert_eq!(check(&none, "https://[::1]/x"), Err(address("::1")));
        assert_eq!(check(&none, "https://[::ffff:8.8.8.8]/x"), Err(address("::ffff:8.8.8.8")));
        for host in [
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "017700000001",
            "127.0.0.1.",
            "8.8.2056",
            "1%327.0.0.1",
        ] {
            assert_eq!(check(&none, &format!("https://{host}/x")), Err(Forbidden::Unusual), "{host}");
        }
        // What two parsers see differently.
        for url in [
            "https://push.example\\@127.0.0.1/",
            "https://push.example%2f@x.example/",
            "https://p%75sh.example/",
        ] {
            let Ok(endpoint) = Endpoint::parse(url) else { continue };
            assert_eq!(none.check(&endpoint), Err(Forbidden::Unusual), "{url}");
        }
    }

    #[test]
    fn only_public_addresses_are_public() {
        let refused = "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.0.1 \
            169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 \
            198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 \
            :: ::1 ::127.0.0.1 ::ffff:8.8.8.8 fe80::1 fc00::1 fd12::1 ff02::1 fec0::1 100::1 64:ff9b:1::1 5f00::1 \
            64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe 2002:7f00:1::1 2002:a00:1::1 2002:c0a8:1::1 2001::1 2001:1ff::1 \
            2001:db8::1 3fff::1 3fff:fff::1 4000::1 1fff::1";
        for text in refused.split_whitespace() {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        let public = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.0.1 100.128.0.1 126.0.0.1 128.0.0.1 169.253.0.1 172.15.0.1 \
            172.32.0.1 192.0.1.1 192.0.3.1 192.88.98.1 192.167.0.1 198.17.0.1 198.20.0.1 198.51.101.1 203.0.112.1 223.255.255.255 \
            2000::1 2001:200::1 2001:db7::1 2001:db9::1 2606:4700::1111 2a00::1 3ffe::1 3fff:1000::1 64:ff9b::808:808 \
            2002:808:808::1";
        for text in public.split_whitespace() {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn in_allowed_networks_a_service_may_be_as_it_likes() {
        let own = guard(&["10.1.0.0/16", "fd00::/8"], &[]);
        for url in [
            "http://10.1.2.3:8080/x",
            "https://10.1.2.3/x",
            "https://[fd00::5]:8443/x",
            // These by their addresses, once they are looked up.
            "http://push.intern.example/x",
            "http://localhost:9090/x",
            "https://push.example:8443/x",
        ] {
            assert_eq!(check(&own, url), Ok(()), "{url}");
        }
        assert_eq!(check(&own, "http://10.2.0.1/x"), Err(address("10.2.0.1")));
        assert_eq!(
            check(&own, "http://8.8.8.8/x"),
            Err(address("8.8.8.8")),
            "plain http to a public address"
        );
        assert_eq!(
            check(&own, "https://8.8.8.8:8443/x"),
            Err(address("8.8.8.8")),
            "another port at a public address"
        );
        let reach = |url: &str| own.reach(&url.parse().unwrap());
        assert_eq!(reach("http://push.example/x"), Ok(Reach::Allowed));
        assert_eq!(reach("https://push.example/x"), Ok(Reach::Public));
        assert_eq!(reach("https://localhost/x"), Ok(Reach::Allowed));
        assert!(own.allows(Reach::Allowed, "10.1.0.1".parse().unwrap()));
        assert!(own.allows(Reach::Public, "::ffff:10.1.0.1".parse().unwrap()), "the same network");
        assert!(!own.allows(Reach::Allowed, "8.8.8.8".parse().unwrap()));
        assert!(!own.allows(Reach::Public, "10.2.0.1".parse().unwrap()));
    }

    #[test]
    fn a_list_of_hosts_shuts_out_all_others() {
        let strict = guard(&[], &["fcm.googleapis.com", ".push.apple.com", "Notify.Windows.com"]);
        for host in [
            "fcm.googleapis.com",
            "FCM.googleapis.com.",
            "web.push.apple.com",
            "push.apple.com",
            "x.y.notify.windows.com",
        ] {
            assert_eq!(check(&strict, &format!("https://{host}/x")), Ok(()), "{host}");
        }
        for host in
            ["evilfcm.googleapis.com", "fcm.googleapis.com.evil.example", "apple.com", "googleapis.com"]
        {
            assert_eq!(check(&strict, &format!("https://{host}/x")), Err(Forbidden::Host), "{host}");
        }
        assert_eq!(check(&strict, "https://8.8.8.8/x"), Err(address("8.8.8.8")));
        let and_own = guard(&["10.0.0.0/8"], &["fcm.googleapis.com"]);
        assert_eq!(and_own.reach(&"https://push.example/x".parse().unwrap()), Ok(Reach::Allowed));
        assert_eq!(check(&and_own, "https://10.0.0.1/x"), Ok(()));
    }

    #[test]
    fn a_refusal_is_found_however_deep_it_lies() {
        let refusal = || Forbidden::Address([127, 0, 0, 1].into());
        let wrapped = io::Error::other(io::Error::other(refusal()));
        assert_eq!(Forbidden::within(&wrapped), Some(&refusal()));
        assert_eq!(Forbidden::within(&refusal()), Some(&refusal()));
        assert_eq!(Forbidden::within(&io::Error::other("127.0.0.1")), None);
    }
}
