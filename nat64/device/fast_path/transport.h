/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What stands behind the IP header, and which of it the program translates. Python's own is
 * nat64/siit/transport.py.
 */
#ifndef NAT64_TRANSPORT_H
#define NAT64_TRANSPORT_H

#include "headers.h"

/*
 * Every member is as wide as a register: without CAP_PERFMON the kernel refuses a narrow write where it has
 * seen a whole register written.
 */
struct transport {
	__u64 at;	/* where it begins, from the packet's first octet */
	__u64 length;	/* octets, the data with it */
	__u64 protocol; /* ICMP stands for ICMPv6, too */
	__u64 header_length;
	__u64 checksum; /* network order, as it came, but for TCP */
	__u64 sum;	/* what becomes of the checksum, see below */
	__u64 type;	/* these three for ICMP alone */
	__u64 code;
	__u64 new_type;
	__u64 is_fragment; /* and these three for fragments, see fragments.h */
	__u64 position;	   /* more fragments, and the offset, as IPv4 has them */
	__u64 identification;
};

/* In `sum`: it follows the addresses; there is none, or not here; UDP from IPv4 gets the one that it lacks. */
#define SUM_FOLLOWS 0
#define SUM_ABSENT 1
#define SUM_CALCULATED 2

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

/* UDP without a checksum, RFC 7915 section 4.5. */
INLINE int read_udp_without_checksum(struct __sk_buff *skb, const struct settings *set,
				     struct transport *transport, int from_ipv6)
{
	__be16 length;

	/* Senders of large packets leave a checksum to their device: this is a tunnel, and its inside is large. */
	if (skb->gso_size)
		return PASSED_UDP_WITHOUT_CHECKSUM;
	transport->sum = SUM_ABSENT;
	if (from_ipv6 || set->flags & UDP_ZERO_FORWARD)
		return TO_IPV4_UDP;
	transport->sum = SUM_CALCULATED;
	if (transport->is_fragment) /* the checksum would cover all of them */
		return PASSED_UDP_WITHOUT_CHECKSUM;
	if (!(set->flags & UDP_ZERO_CALCULATE) || bpf_skb_load_bytes(skb, transport->at + 4, &length, 2) ||
	    SWAPPED16(length) != transport->length)
		return PASSED_UDP_WITHOUT_CHECKSUM;
	return TO_IPV4_UDP;
}

INLINE int read_udp(struct __sk_buff *skb, const struct settings *set, struct transport *transport,
		    int from_ipv6)
{
	__be16 checksum;

	if (transport->length < 8 || bpf_skb_load_bytes(skb, transport->at + 6, &checksum, sizeof(checksum)))
		return PASSED_LENGTH;
	transport->checksum = checksum;
	transport->header_length = 8;
	if (!checksum)
		return read_udp_without_checksum(skb, set, transport, from_ipv6);
	return TO_IPV4_UDP;
}

INLINE int read_echo(struct __sk_buff *skb, struct transport *transport, int from_ipv6)
{
	struct icmp_start echo;

	if (transport->length < 8 || bpf_skb_load_bytes(skb, transport->at, &echo, sizeof(echo)))
		return PASSED_LENGTH;
	if (echo.type == (from_ipv6 ? V6_ECHO_REQUEST : ECHO_REQUEST))
		transport->new_type = from_ipv6 ? ECHO_REQUEST : V6_ECHO_REQUEST;
	else if (echo.type == (from_ipv6 ? V6_ECHO_REPLY : ECHO_REPLY))
		transport->new_type = from_ipv6 ? ECHO_REPLY : V6_ECHO_REPLY;
	else
		return PASSED_ICMP_NOT_ECHO;
	transport->type = echo.type;
	transport->code = echo.code;
	transport->checksum = echo.checksum;
	transport->header_length = 8;
	return TO_IPV4_ICMP;
}

/*
 * Read what is needed. Returns the outcome that it will have from IPv6 if all goes well, or that of one
 * for the daemon.
 */
INLINE int read_transport(struct __sk_buff *skb, const struct settings *set, struct transport *transport,
			  int from_ipv6)
{
	switch (transport->protocol) {
	case TCP:
		return read_tcp(skb, transport);
	case UDP:
		return read_udp(skb, set, transport, from_ipv6);
	case ICMP:
		return read_echo(skb, transport, from_ipv6);
	default:
		return PASSED_PROTOCOL;
	}
}

/* Whether a packet that stands for several has the header that each of them is to have. */
INLINE int may_be_cut_up(const struct __sk_buff *skb, const struct transport *transport)
{
	__u64 least = transport->protocol == TCP ? 20 : 8;

	return !skb->gso_size ||
	       (transport->header_length >= least && transport->header_length <= transport->length);
}

/* The length of the longest packet on a link that one of so many octets of headers and transport stands for.
 */
INLINE __u32 longest_on_link(const struct __sk_buff *skb, const struct transport *transport, __u32 ip_header)
{
	__u32 length = ip_header + transport->length;
	__u32 segment = ip_header + transport->header_length + skb->gso_size;

	return skb->gso_size && segment < length ? segment : length;
}

#endif
