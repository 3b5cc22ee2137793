/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * ICMP errors from IPv4 with the packet that they are about, RFC 7915 sections 4.2 and 4.3. Python's own are
 * icmp_translation.py, icmp_tables.py and inner_packet.py in nat64/siit.
 *
 * Translated are those that routers and hosts send all day: unreachable, too big and time exceeded, about TCP,
 * UDP or an echo message without options, that say nothing beside it (RFC 4884) and that fit IPv6's minimum MTU.
 * From IPv6 they are the daemon's: most come from routers, which have no IPv4 address, and have to be cut.
 */
#ifndef NAT64_ICMP_ERRORS_H
#define NAT64_ICMP_ERRORS_H

#include "address_map.h"
#include "checksum.h"

#define ICMP_LENGTH 8
#define UNREACHABLE 3
#define FRAGMENTATION_NEEDED 4
#define TIME_EXCEEDED 11
#define V6_UNREACHABLE 1
#define V6_TOO_BIG 2
#define V6_TIME_EXCEEDED 3
#define LONGER_BY (IPV6_LENGTH - IPV4_LENGTH)

/* The first eight octets of an error, by words. */
struct error {
	__u64 type;
	__u64 code;
	__u64 rest; /* what stands behind the checksum, as a number */
	__u64 length; /* of what the packet within carries, in octets by its own account */
	__u64 present; /* and as many as are there */
};

/* The code of an IPv6 unreachable for that of IPv4's, or a number that is none. */
INLINE int code_of_unreachable(__u32 code)
{
	switch (code) {
	case 0:
	case 1:
	case 5:
	case 6:
	case 7:
	case 8:
	case 11:
	case 12:
		return 0;
	case 3:
		return 4;
	case 9:
	case 10:
	case 13:
	case 15:
		return 1;
	default:
		return -1;
	}
}

/* Make type, code and the rest those of ICMPv6. */
INLINE int translate_error_start(struct error *error, __u32 mtu)
{
	int code = code_of_unreachable(error->code);
	__u32 reported = (error->rest & 0xffff) + LONGER_BY;

	if (error->type == TIME_EXCEEDED) {
		error->type = V6_TIME_EXCEEDED;
		error->rest = 0;
		return FOUND;
	}
	if (error->type != UNREACHABLE)
		return PASSED_ICMP_NOT_ECHO;
	if (error->code != FRAGMENTATION_NEEDED) {
		error->type = V6_UNREACHABLE;
		error->code = code;
		error->rest = 0;
		return code < 0 ? PASSED_ICMP_NOT_ECHO : FOUND;
	}
	if (reported == LONGER_BY) /* an old router that does not tell: to be guessed */
		return PASSED_ICMP_NOT_ECHO;
	if (reported > mtu)
		reported = mtu;
	error->type = V6_TOO_BIG;
	error->code = 0;
	error->rest = reported < MINIMUM_MTU ? MINIMUM_MTU : reported;
	return FOUND;
}

/* Read an error of so many octets, and the header of the packet that it is about. */
INLINE int read_error(struct __sk_buff *skb, __u32 length, struct error *error, union ipv4_header *inner)
{
	__u32 at = link_header + IPV4_LENGTH;
	__be32 words[2];

	if (length < ICMP_LENGTH + IPV4_LENGTH || length + LONGER_BY > MINIMUM_MTU - IPV6_LENGTH ||
	    bpf_skb_load_bytes(skb, at, words, sizeof(words)) ||
	    bpf_skb_load_bytes(skb, at + ICMP_LENGTH, inner, IPV4_LENGTH))
		return PASSED_ICMP_NOT_ECHO;
	error->type = words[0] & 0xff;
	error->code = words[0] >> 8 & 0xff;
	error->rest = SWAPPED32(words[1]);
	error->length = SWAPPED16(inner->total_length) - IPV4_LENGTH;
	error->present = length - ICMP_LENGTH - IPV4_LENGTH;
	if (error->rest >> 16 || inner->version_length != 0x45 || inner->flags & SWAPPED16(FRAGMENTED) ||
	    SWAPPED16(inner->total_length) < IPV4_LENGTH || error->length < error->present)
		return PASSED_ICMP_NOT_ECHO;
	if (!may_translate_ipv4(SWAPPED32(inner->source)) || !may_translate_ipv4(SWAPPED32(inner->destination)))
		return PASSED_SPECIAL_ADDRESS;
	return sum_of(skb, at, length) == 0xffff ? FOUND : PASSED_ICMP_NOT_ECHO;
}

/* Read what stands behind the inner IP header, of which a part may be cut off. */
INLINE int read_inner_transport(struct __sk_buff *skb, const struct error *error,
				const union ipv4_header *four, struct transport *inner)
{
	__u64 present = error->present;
	struct icmp_start echo;

	inner->at = link_header + IPV4_LENGTH + ICMP_LENGTH + IPV4_LENGTH;
	inner->length = error->length;
	inner->protocol = four->protocol;
	switch (four->protocol) {
	case TCP:
		inner->sum = present < 18 ? SUM_ABSENT : SUM_FOLLOWS;
		return FOUND;
	case UDP:
		inner->sum = present < 8 ? SUM_ABSENT : SUM_FOLLOWS;
		return FOUND;
	case ICMP:
		if (present < 8 || bpf_skb_load_bytes(skb, inner->at, &echo, sizeof(echo)))
			return PASSED_ICMP_NOT_ECHO;
		if (echo.type != ECHO_REQUEST && echo.type != ECHO_REPLY)
			return PASSED_ICMP_NOT_ECHO; /* an error about an error */
		inner->type = echo.type;
		inner->code = echo.code;
		inner->new_type = echo.type == ECHO_REQUEST ? V6_ECHO_REQUEST : V6_ECHO_REPLY;
		return FOUND;
	default:
		return PASSED_ICMP_NOT_ECHO;
	}
}

/* Find the addresses of a packet from IPv4, or of one that went there, which an error is about. */
SEPARATE int find_ipv6(const struct settings *set, struct addresses *known, __u64 near, __u64 far, __u64 now)
{
	int done;

	if (!set || !known)
		return PASSED_UNKNOWN_ADDRESS;
	known->near4 = near;
	known->far4 = far;
	done = find_near_ipv6(set, known);
	if (done == FOUND && !is_active(set, known->slot, now))
		done = PASSED_DORMANT_LEASE;
	return done == FOUND ? find_far_ipv6(set, known, now) : done;
}

/* Adjust what stands behind the inner IP header. The error's own checksum is made anew afterwards. */
SEPARATE int rewrite_inner_transport(struct __sk_buff *skb, const struct error *error,
				     const union ipv6_header *six, const union ipv4_header *four)
{
	struct transport inner = {};
	struct pseudo_header pseudo;
	__u32 difference;
	__u64 new_type;
	int done;

	if (!error || !six || !four)
		return PASSED_ICMP_NOT_ECHO;
	done = read_inner_transport(skb, error, four, &inner);
	if (done != FOUND || inner.sum == SUM_ABSENT)
		return done;
	difference = difference_of(&inner, six, four, &pseudo, FROM_IPV4);
	if (bpf_l4_csum_replace(skb, checksum_at(&inner), 0, difference,
				inner.protocol == UDP ? BPF_F_MARK_MANGLED_0 : 0))
		return PASSED_KERNEL_REFUSED;
	new_type = inner.new_type;
	if (inner.protocol == ICMP && bpf_skb_store_bytes(skb, inner.at, &new_type, 1, 0))
		return LOST;
	return FOUND;
}

/* Write all that stands in front of the inner packet's data, and the error's checksum. */
SEPARATE int rewrite_error(struct __sk_buff *skb, const struct error *error, const union ipv6_header *outer,
			   const union ipv6_header *inner)
{
	__u32 at = link_header + IPV6_LENGTH, length;
	struct transport transport = {};
	struct pseudo_header pseudo;
	__u64 start, checksum;
	int sum;

	if (!error || !outer || !inner)
		return LOST;
	start = error->type | error->code << 8 | (__u64)SWAPPED32((__u32)error->rest) << 32;
	if (bpf_skb_change_proto(skb, SWAPPED16(ETH_P_IPV6), 0) ||
	    bpf_skb_adjust_room(skb, LONGER_BY, BPF_ADJ_ROOM_NET, 0) ||
	    bpf_skb_store_bytes(skb, link_header, outer, IPV6_LENGTH, 0) ||
	    bpf_skb_store_bytes(skb, at, &start, ICMP_LENGTH, 0) ||
	    bpf_skb_store_bytes(skb, at + ICMP_LENGTH, inner, IPV6_LENGTH, 0))
		return LOST;
	length = SWAPPED16(outer->payload_length);
	transport.length = length;
	transport.protocol = ICMP;
	fill_pseudo_header(&pseudo, &transport, outer, 0);
	sum = sum_of(skb, at, length);
	if (sum < 0)
		return LOST;
	checksum = (__u16)~folded((__u32)sum + (__u64)(__u32)bpf_csum_diff(0, 0, &pseudo, sizeof(pseudo), 0));
	return bpf_skb_store_bytes(skb, at + 2, &checksum, 2, 0) ? LOST : FOUND;
}

/* Translate an ICMP message from IPv4 that is no echo, and whose IP header the program has found right. */
SEPARATE int translate_error(struct __sk_buff *skb, const struct settings *set, __u64 now)
{
	union ipv6_header outer = {}, inner = {};
	struct addresses known = {};
	union ipv4_header four = {};
	struct error error = {};
	__u32 length;
	int done;

	if (!set || bpf_skb_load_bytes(skb, link_header, &four, IPV4_LENGTH))
		return PASSED_ICMP_NOT_ECHO;
	done = find_ipv6(set, &known, four.destination, four.source, now);
	if (done != FOUND)
		return done;
	length = SWAPPED16(four.total_length) - IPV4_LENGTH;
	write_ipv6(&outer, (four.tos & set->traffic_class_kept) | set->traffic_class_set,
		   length + LONGER_BY, ICMPV6, four.ttl - 1);
	outer.source = known.far6;
	outer.destination = known.near6;
	done = read_error(skb, length, &error, &four);
	if (done == FOUND)
		done = translate_error_start(&error, set->mtu);
	if (done != FOUND)
		return done;
	/* The host's packet: what is the source here was its near side. */
	done = find_ipv6(set, &known, four.source, four.destination, now);
	if (done != FOUND)
		return done;
	write_ipv6(&inner, four.tos, error.length, four.protocol == ICMP ? ICMPV6 : four.protocol, four.ttl);
	inner.source = known.near6;
	inner.destination = known.far6;
	done = rewrite_inner_transport(skb, &error, &inner, &four);
	if (done == FOUND)
		done = rewrite_error(skb, &error, &outer, &inner);
	return done == FOUND ? ERROR_TO_IPV6 : done;
}

#endif
