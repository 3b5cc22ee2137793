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

#include "fragments.h"

/*
 * A pseudo-header, RFC 8200 section 8.1, with the first word of an ICMP message behind it. There is one, lent
 * to whoever needs it, as the stack is small.
 */
struct pseudo_header {
	struct ipv6_address source;
	struct ipv6_address destination;
	__u64 length_protocol; /* 32 bits each, network order */
	__u64 type;	       /* type and code, then zero */
};

_Static_assert(sizeof(struct pseudo_header) == 48, "nothing is free in it, as the sum goes over all");

#define MOST_SUMMED (4 * SUMMED_AT_ONCE)

/* The sum of so many octets of the packet, folded, or -1 where they are too many for the program. */
SEPARATE int sum_of(struct __sk_buff *skb, __u32 at, __u32 length)
{
	struct octets *part = bpf_map_lookup_elem(&summed, &only);
	__u64 sum = 0, last = 0;

	if (!part || length >= MOST_SUMMED)
		return -1;
	/* A helper takes a constant number of octets: first as many as there is room for, then powers of two. */
	UNROLLED for (__u32 i = 1; i < MOST_SUMMED / SUMMED_AT_ONCE; i++)
	{
		if (length < SUMMED_AT_ONCE)
			continue;
		if (bpf_skb_load_bytes(skb, at, part, SUMMED_AT_ONCE))
			return -1;
		sum += (__u32)bpf_csum_diff(0, 0, part, SUMMED_AT_ONCE, 0);
		at += SUMMED_AT_ONCE;
		length -= SUMMED_AT_ONCE;
	}
	UNROLLED for (__u32 size = SUMMED_AT_ONCE / 2; size >= 4; size /= 2)
	{
		if (!(length & size))
			continue;
		if (bpf_skb_load_bytes(skb, at, part, size))
			return -1;
		sum += (__u32)bpf_csum_diff(0, 0, part, size, 0);
		at += size;
	}
	if (length & 2) {
		if (bpf_skb_load_bytes(skb, at, &last, 2))
			return -1;
		sum += last;
		at += 2;
	}
	last = 0;
	if (length & 1) {
		if (bpf_skb_load_bytes(skb, at, &last, 1))
			return -1;
		sum += last;
	}
	return folded(sum);
}

INLINE void fill_pseudo_header(struct pseudo_header *pseudo, const struct transport *transport,
			       const union ipv6_header *six, __be32 type)
{
	__u32 protocol = transport->protocol == ICMP ? ICMPV6 : transport->protocol;

	pseudo->source = six->source;
	pseudo->destination = six->destination;
	pseudo->length_protocol =
	    SWAPPED32((__u32)transport->length) | (__u64)SWAPPED32(protocol) << 32;
	pseudo->type = type;
}

/* By how much the words that the checksum covers grow. ICMPv6 covers its pseudo-header, ICMP has none. */
INLINE __u32 difference_of(const struct transport *transport, const union ipv6_header *six,
			   const union ipv4_header *four, struct pseudo_header *pseudo, int from_ipv6)
{
	__be32 type = transport->type | transport->code << 8;
	__be32 new_type = transport->new_type | transport->code << 8;

	if (transport->protocol != ICMP)
		return from_ipv6 ? bpf_csum_diff(&six->source, 32, &four->source, 8, 0)
				 : bpf_csum_diff(&four->source, 8, &six->source, 32, 0);
	fill_pseudo_header(pseudo, transport, six, from_ipv6 ? type : new_type);
	return from_ipv6 ? bpf_csum_diff(pseudo, sizeof(*pseudo), &new_type, 4, 0)
			 : bpf_csum_diff(&type, 4, pseudo, sizeof(*pseudo), 0);
}

/* The sum of a UDP packet's pseudo-header, as it came. */
INLINE __u16 sum_of_udp(const struct transport *transport, const union ipv6_header *six,
			const union ipv4_header *four, struct pseudo_header *pseudo, int from_ipv6)
{
	if (!from_ipv6)
		return folded((__u64)four->source + four->destination + SWAPPED32((__u32)transport->length) +
			      (__u64)SWAPPED32((__u32)UDP));
	fill_pseudo_header(pseudo, transport, six, 0);
	return folded((__u32)bpf_csum_diff(0, 0, pseudo, sizeof(*pseudo), 0));
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

INLINE __u64 checksum_flags(const struct transport *transport, int direction)
{
	switch (transport->protocol) {
	case TCP:
		return BPF_F_PSEUDO_HDR;
	case UDP:
		return BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0;
	default:
		/* ICMP's covers no addresses: where it is left to a device, leave it alone. */
		return direction == IPV6_TO_IPV6 ? BPF_F_PSEUDO_HDR : 0;
	}
}

/*
 * Give a UDP datagram from IPv4 the checksum that it came without. The kernel writes it by the same call that
 * adjusts one, which changes nothing where a checksum (of a packet in it, as the datagram has none) is left to
 * a device: so this is told apart.
 */
INLINE int calculate_checksum(struct __sk_buff *skb, const struct transport *transport,
			      const union ipv6_header *six, struct pseudo_header *pseudo)
{
	int sum = sum_of(skb, transport->at, transport->length);
	__be16 after;

	if (sum < 0)
		return PASSED_UDP_WITHOUT_CHECKSUM;
	fill_pseudo_header(pseudo, transport, six, 0);
	sum = folded((__u32)sum + (__u64)(__u32)bpf_csum_diff(0, 0, pseudo, sizeof(*pseudo), 0));
	if (sum == 0xffff) /* a checksum of zero, which would have to be written otherwise, and tells nothing */
		return PASSED_UDP_WITHOUT_CHECKSUM;
	if (bpf_l4_csum_replace(skb, checksum_at(transport), 0, sum, 0))
		return PASSED_KERNEL_REFUSED;
	if (bpf_skb_load_bytes(skb, checksum_at(transport), &after, sizeof(after)))
		return LOST;
	return after ? FOUND : PASSED_CHECKSUM_UNFINISHED;
}

/* Adjust the checksum of a packet that is as it came otherwise, and stays so where it is left. */
INLINE int adjust_checksum(struct __sk_buff *skb, const struct transport *transport,
			   const union ipv6_header *six, const union ipv4_header *four,
			   struct pseudo_header *pseudo, __u32 difference, int direction)
{
	int is_echo = transport->protocol == ICMP && direction != IPV6_TO_IPV6;
	__u32 at = checksum_at(transport);
	__u16 sum = folded(difference);
	__u64 before = transport->checksum;
	__be16 after;

	if (transport->sum == SUM_ABSENT)
		return FOUND;
	if (direction == FROM_IPV4 && transport->sum == SUM_CALCULATED)
		return calculate_checksum(skb, transport, six, pseudo);
	/*
	 * Nothing changes (but where a checksum may be either zero, which becomes the other), or by nothing the
	 * kernel tells what it lacks.
	 */
	if ((transport->protocol == UDP || is_echo) && (!sum || sum == 0xffff))
		return is_echo ? PASSED_CHECKSUM_UNFINISHED : FOUND;
	if (bpf_l4_csum_replace(skb, at, 0, difference, checksum_flags(transport, direction)))
		return PASSED_KERNEL_REFUSED;
	if (transport->protocol == TCP || (transport->protocol == ICMP && !is_echo))
		return FOUND;
	if (bpf_skb_load_bytes(skb, at, &after, sizeof(after)))
		return LOST;
	if (is_echo)
		return after == before ? PASSED_CHECKSUM_UNFINISHED : FOUND;
	/* Where it is not this packet's checksum that is left, but that of one in it (a tunnel), it went
	 * wrong. */
	if (after != folded(difference + before) ||
	    before == sum_of_udp(transport, six, four, pseudo, direction))
		return FOUND;
	if (bpf_skb_store_bytes(skb, at, &before, 2, 0))
		return LOST;
	return PASSED_CHECKSUM_UNFINISHED;
}

static const __u64 no_checksum = 0; /* not on the stack, of which there is too little */

/* Undo that for a packet that cannot be translated after all. */
INLINE int restore_checksum(struct __sk_buff *skb, const struct transport *transport, __u32 difference)
{
	if (transport->sum == SUM_ABSENT)
		return PASSED_KERNEL_REFUSED;
	if (transport->sum == SUM_CALCULATED)
		return bpf_skb_store_bytes(skb, checksum_at(transport), &no_checksum, 2, 0)
			   ? LOST
			   : PASSED_KERNEL_REFUSED;
	if (bpf_l4_csum_replace(skb, checksum_at(transport), 0, (__u32)~difference,
				checksum_flags(transport, FROM_IPV6)))
		return LOST;
	return PASSED_KERNEL_REFUSED;
}

#endif
