/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What stands behind the IP header: which of it the program translates, and how its checksum follows the new
 * addresses. Python's own is nat64/siit/transport.py.
 */
#ifndef NAT64_TRANSPORT_H
#define NAT64_TRANSPORT_H

#include "headers.h"

struct transport {
	__u32 at;	/* where it begins, from the packet's first octet */
	__u32 length;	/* octets, the data with it */
	__u32 protocol; /* ICMP stands for ICMPv6, too */
	__u32 header_length;
	struct icmp_start echo; /* as it is, where it is ICMP */
	__u8 new_type;
};

INLINE int read_tcp(struct __sk_buff *skb, struct transport *transport)
{
	__u8 data_offset = 0;

	if (transport->length < 20)
		return PASSED_LENGTH;
	if (skb->gso_size && bpf_skb_load_bytes(skb, transport->at + 12, &data_offset, 1))
		return PASSED_LENGTH;
	transport->header_length = (data_offset >> 4) * 4; /* asked for only where the packet is cut up */
	return TO_IPV4_TCP;
}

INLINE int read_udp(struct __sk_buff *skb, struct transport *transport)
{
	__be16 checksum;

	if (transport->length < 8 || bpf_skb_load_bytes(skb, transport->at + 6, &checksum, 2))
		return PASSED_LENGTH;
	if (!checksum)
		return PASSED_UDP_WITHOUT_CHECKSUM;
	transport->header_length = 8;
	return TO_IPV4_UDP;
}

INLINE int read_echo(struct __sk_buff *skb, struct transport *transport, int from_ipv6)
{
	if (transport->length < 8 || bpf_skb_load_bytes(skb, transport->at, &transport->echo, 4))
		return PASSED_LENGTH;
	if (transport->echo.type == (from_ipv6 ? V6_ECHO_REQUEST : ECHO_REQUEST))
		transport->new_type = from_ipv6 ? ECHO_REQUEST : V6_ECHO_REQUEST;
	else if (transport->echo.type == (from_ipv6 ? V6_ECHO_REPLY : ECHO_REPLY))
		transport->new_type = from_ipv6 ? ECHO_REPLY : V6_ECHO_REPLY;
	else
		return PASSED_ICMP_NOT_ECHO;
	transport->header_length = 8;
	return TO_IPV4_ICMP;
}

/*
 * Read what is needed. Returns the outcome that it will have from IPv6 if all goes well, or that of one
 * for the daemon.
 */
INLINE int read_transport(struct __sk_buff *skb, struct transport *transport, int from_ipv6)
{
	switch (transport->protocol) {
	case TCP:
		return read_tcp(skb, transport);
	case UDP:
		return read_udp(skb, transport);
	case ICMP:
		return read_echo(skb, transport, from_ipv6);
	default:
		return PASSED_PROTOCOL;
	}
}

/* The length of the longest packet on a link that one of so many octets of headers and transport stands for.
 */
INLINE __u32 longest_on_link(const struct __sk_buff *skb, const struct transport *transport, __u32 ip_header)
{
	__u32 length = ip_header + transport->length;
	__u32 segment = ip_header + transport->header_length + skb->gso_size;

	return skb->gso_size && segment < length ? segment : length;
}

/*
 * What an IPv6 pseudo-header (RFC 8200 section 8.1) is made of beside the addresses, and an ICMP
 * message's first word.
 */
struct pseudo_header {
	struct ipv6_address source;
	struct ipv6_address destination;
	__be32 length;
	__be32 protocol;
	__be32 type;   /* type and code, then zero */
	__be32 unused; /* the compiler would leave as much free, and the sum goes over all */
};

_Static_assert(sizeof(struct pseudo_header) == 48, "there is nothing between or behind its members");

/*
 * Adjust the checksum of an echo message while its packet is as it came. ICMPv6 has the addresses in it, ICMP
 * has not.
 *
 * A guest may leave the checksum to a device to finish, which the program cannot see of a packet. But then
 * the kernel leaves the field alone, as the addresses' sum in it is not to be counted twice; such a packet is
 * for the daemon.
 */
INLINE int adjust_echo_checksum(struct __sk_buff *skb, const struct transport *transport, __u32 difference)
{
	__u32 at = transport->at + 2;
	__be16 sum = folded(difference), after;

	if (!sum || sum == 0xffff) /* nothing would change in either case */
		return PASSED_CHECKSUM_UNFINISHED;
	if (bpf_l4_csum_replace(skb, at, 0, difference, 0) || bpf_skb_load_bytes(skb, at, &after, 2))
		return PASSED_KERNEL_REFUSED;
	return after == transport->echo.checksum ? PASSED_CHECKSUM_UNFINISHED : FOUND;
}

#endif
