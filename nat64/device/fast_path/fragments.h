/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Fragments, each translated by itself: what stands in an IPv4 header stands in a header of its own in IPv6,
 * RFC 7915 sections 4.1 and 5.1.1. In `struct transport` it has the form of IPv4. A fragment that would have to
 * become two is left to the daemon.
 */
#ifndef NAT64_FRAGMENTS_H
#define NAT64_FRAGMENTS_H

#include "transport.h"

#define FRAGMENT 44 /* as a protocol */
#define FRAGMENT_LENGTH 8
#define MORE_FRAGMENTS 0x2000
#define OFFSET 0x1fff /* in units of 8 octets */

union fragment_header {
	struct {
		__u8 protocol;
		__u8 reserved;
		__be16 offset_more; /* offset, two bits that are reserved, whether there are more */
		__be32 identification;
	};
	__u64 word;
};

_Static_assert(sizeof(union fragment_header) == FRAGMENT_LENGTH, "as on the wire");

INLINE __u32 fragment_length(const struct transport *transport)
{
	return transport->is_fragment ? FRAGMENT_LENGTH : 0;
}

/* Whether a packet is a part of another one; it may have a fragment header and be whole. */
INLINE int is_part(const struct transport *transport)
{
	return transport->position != 0;
}

/* Read what stands behind the header of a fragment. */
INLINE int read_fragment(struct __sk_buff *skb, const struct settings *set, struct transport *transport,
			 int from_ipv6)
{
	__u64 offset = transport->position & OFFSET;

	transport->is_fragment = 1;
	if (skb->gso_size || (transport->protocol != TCP && transport->protocol != UDP))
		return PASSED_FRAGMENT;
	if ((is_part(transport) && !transport->length) ||
	    (transport->position & MORE_FRAGMENTS && transport->length & 7) ||
	    offset * 8 + transport->length > 0xffff)
		return PASSED_LENGTH;
	if (!offset)
		return read_transport(skb, set, transport, from_ipv6);
	transport->sum = SUM_ABSENT; /* it is in the first fragment */
	return transport->protocol == TCP ? TO_IPV4_TCP : TO_IPV4_UDP;
}

/* Read the fragment header behind an IPv6 header, and what follows. */
INLINE int read_fragment_header(struct __sk_buff *skb, const struct settings *set,
				struct transport *transport)
{
	union fragment_header header;
	__u32 offset_more;

	if (transport->length < FRAGMENT_LENGTH ||
	    bpf_skb_load_bytes(skb, transport->at, &header, FRAGMENT_LENGTH))
		return PASSED_LENGTH;
	offset_more = SWAPPED16(header.offset_more);
	transport->position = offset_more >> 3 | (offset_more & 1 ? MORE_FRAGMENTS : 0);
	transport->identification = SWAPPED32(header.identification);
	transport->protocol = header.protocol;
	transport->at += FRAGMENT_LENGTH;
	transport->length -= FRAGMENT_LENGTH;
	return read_fragment(skb, set, transport, FROM_IPV6);
}

/* Write the fragment header, behind the IPv6 header. */
INLINE long store_fragment_header(struct __sk_buff *skb, const struct transport *transport)
{
	__u64 position = transport->position;
	__u16 offset_more = position << 3 | (position & MORE_FRAGMENTS ? 1 : 0);
	union fragment_header header;

	header.word = transport->protocol | (__u64)SWAPPED16(offset_more) << 16 |
		      (__u64)SWAPPED32((__u32)transport->identification) << 32;
	return bpf_skb_store_bytes(skb, link_header + IPV6_LENGTH, &header, FRAGMENT_LENGTH, 0);
}

/* Make room behind the IP header for a fragment header, or take it away. */
INLINE long resize_for_fragment_header(struct __sk_buff *skb, int from_ipv6)
{
	return bpf_skb_adjust_room(skb, from_ipv6 ? -FRAGMENT_LENGTH : FRAGMENT_LENGTH, BPF_ADJ_ROOM_NET, 0);
}

#endif
