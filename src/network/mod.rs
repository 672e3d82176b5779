//! Bridge, veth, addresses, nftables and ports, all by netlink.
