//! Blocks of IP addresses: whom to trust is a matter of where it is (ID-04).

use std::net::IpAddr;

/// A block of IP addresses, `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    /// Any address in the block.
    pub address: IpAddr,
    /// How many leading bits its members share.
    pub prefix: u8,
}

impl Network {
    /// Reads `address/prefix`, or an address alone, which is a block of one.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let whole = width(address);
        let prefix = prefix.unwrap_or(whole);
        (prefix <= whole).then_some(Self { address, prefix })
    }

    /// Whether `address` lies in the block. An IPv4 address that came mapped into IPv6 is compared
    /// as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = u32::from(width(self.address) - self.prefix);
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.to_canonical().is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::Network;

    fn holds(network: &str, address: &str) -> bool {
        Network::parse(network).unwrap().contains(address.parse().unwrap())
    }

    /// ID-04: trust is a matter of the source address and of nothing else.
    #[test]
    fn a_network_holds_the_addresses_that_share_its_prefix() {
        assert!(holds("127.0.0.0/8", "127.9.8.7") && !holds("127.0.0.0/8", "128.0.0.1"));
        assert!(holds("192.0.2.64/26", "192.0.2.127") && !holds("192.0.2.64/26", "192.0.2.128"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(holds("127.0.0.0/8", "::ffff:127.0.0.1"), "mapped into IPv6 it is still loopback");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "/8", "127.0.0.1/33", "::1/129", "127.0.0.1/x", "localhost"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
