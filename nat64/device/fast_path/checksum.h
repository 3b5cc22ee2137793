/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How the transport checksum follows the changed header, RFC 1624: by the difference of the words that it
 * covers.
 *
 * A packet on its way through a host may lack its checksum: the field holds the sum of the pseudo-header, and
 * a device shall add the rest. The program cannot see that of a packet. But the kernel, which changes the
 * field, can, and changes it otherwise; by what it did the program knows.
 */
#ifndef NAT64_CHECKSUM_H
#define NAT64_CHECKSUM_H

#include "transport.h"

/* A pseudo-header, RFC 8200 section 8.1, with the first word of an ICMP message behind it. */
struct pseudo_header {
	struct ipv6_address source;
	struct ipv6_address destination;
	__be32 length;
	__be32 protocol;
	__be32 type;   /* type and code, then zero */
	__be32 unused; /* the compiler would leave as much free, and the sum goes over all */
};

_Static_assert(sizeof(struct pseudo_header) == 48, "there is nothing between or behind its members");

INLINE void fill_pseudo_header(struct pseudo_header *pseudo, const struct ipv6_header *six, __be32 type)
{
	pseudo->source = six->source;
	pseudo->destination = six->destination;
	pseudo->length = SWAPPED32((__u32)SWAPPED16(six->payload_length));
	pseudo->protocol = SWAPPED32((__u32)six->protocol);
	pseudo->type = type;
	pseudo->unused = 0;
}

/* By how much the words that the checksum covers grow. ICMPv6 covers its pseudo-header, ICMP has none. */
INLINE __u32 difference_of(const struct transport *transport, const struct ipv6_header *six,
			   const struct ipv4_header *four, int from_ipv6)
{
	__be32 type = transport->type | (__u32)transport->code << 8;
	__be32 new_type = transport->new_type | (__u32)transport->code << 8;
	struct pseudo_header pseudo;

	if (transport->protocol != ICMP)
		return from_ipv6 ? bpf_csum_diff(&six->source, 32, &four->source, 8, 0)
				 : bpf_csum_diff(&four->source, 8, &six->source, 32, 0);
	fill_pseudo_header(&pseudo, six, from_ipv6 ? type : new_type);
	return from_ipv6 ? bpf_csum_diff(&pseudo, sizeof(pseudo), &new_type, 4, 0)
			 : bpf_csum_diff(&type, 4, &pseudo, sizeof(pseudo), 0);
}

/* The sum of a UDP packet's pseudo-header, as it came. */
INLINE __u16 sum_of_udp(const struct transport *transport, const struct ipv6_header *six,
			const struct ipv4_header *four, int from_ipv6)
{
	struct pseudo_header pseudo;

	if (!from_ipv6)
		return folded((__u64)four->source + four->destination + SWAPPED32(transport->length) +
			      (__u64)SWAPPED32((__u32)UDP));
	fill_pseudo_header(&pseudo, six, 0);
	return folded((__u32)bpf_csum_diff(0, 0, &pseudo, sizeof(pseudo), 0));
}

INLINE __u32 checksum_at(const struct transport *transport)
{
	switch (transport->protocol) {
	case TCP:
		return transport->at + 16;
	case UDP:
		return transport->at + 6;
	default:
		return transport->at + 2;
	}
}

INLINE __u64 checksum_flags(const struct transport *transport)
{
	switch (transport->protocol) {
	case TCP:
		return BPF_F_PSEUDO_HDR;
	case UDP:
		return BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0;
	default:
		return 0; /* where it is left to a device, leave it alone */
	}
}

/* Adjust the checksum of a packet that is as it came otherwise, and stays so where it is left. */
INLINE int adjust_checksum(struct __sk_buff *skb, const struct transport *transport,
			   const struct ipv6_header *six, const struct ipv4_header *four, __u32 difference,
			   int from_ipv6)
{
	__u32 at = checksum_at(transport);
	__u16 sum = folded(difference);
	__be16 after;

	/* Nothing changes (of TCP's, one zero to the other), or by nothing the kernel tells what it lacks. */
	if (transport->protocol != TCP && (!sum || sum == 0xffff))
		return transport->protocol == ICMP ? PASSED_CHECKSUM_UNFINISHED : FOUND;
	if (bpf_l4_csum_replace(skb, at, 0, difference, checksum_flags(transport)))
		return PASSED_KERNEL_REFUSED;
	if (transport->protocol == TCP)
		return FOUND;
	if (bpf_skb_load_bytes(skb, at, &after, sizeof(after)))
		return LOST;
	if (transport->protocol == ICMP)
		return after == transport->checksum ? PASSED_CHECKSUM_UNFINISHED : FOUND;
	/* Where it is not this packet's checksum that is left, but that of one in it (a tunnel), it went
	 * wrong. */
	if (after != folded((__u64)difference + transport->checksum) ||
	    transport->checksum == sum_of_udp(transport, six, four, from_ipv6))
		return FOUND;
	if (bpf_skb_store_bytes(skb, at, &transport->checksum, sizeof(transport->checksum), 0))
		return LOST;
	return PASSED_CHECKSUM_UNFINISHED;
}

/* Undo that for a packet that cannot be translated after all. */
INLINE int restore_checksum(struct __sk_buff *skb, const struct transport *transport, __u32 difference)
{
	if (bpf_l4_csum_replace(skb, checksum_at(transport), 0, (__u32)~difference,
				checksum_flags(transport)))
		return LOST;
	return PASSED_KERNEL_REFUSED;
}

#endif
