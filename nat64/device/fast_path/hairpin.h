/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From IPv6 straight back to IPv6, for a host that another one knows by its IPv4 address: RFC 7757 section
 * 4.2.2. Python's own is nat64/siit/hairpin.py.
 */
#ifndef NAT64_HAIRPIN_H
#define NAT64_HAIRPIN_H

#include "address_map.h"
#include "checksum.h"

/*
 * Find to whom it turns back, and how that host sees the sender: the addresses to send it with take the place
 * of those that it came with, and `slot` becomes that of the receiver's lease.
 */
SEPARATE int find_turned_back(const struct settings *set, struct addresses *known, __u64 now)
{
	const struct prefix *prefix;
	__u64 sender;

	if (!set || !known)
		return PASSED_HAIRPIN;
	sender = known->near4;
	known->near4 = known->far4;
	if (find_near_ipv6(set, known) != FOUND || !is_active(set, known->slot, now))
		return PASSED_HAIRPIN;
	prefix = prefix_at(known->of);
	if (!prefix || !prefix->length)
		return PASSED_HAIRPIN;
	if (!is_for_prefix(prefix, SWAPPED32((__u32)sender)))
		return PASSED_SPECIAL_ADDRESS;
	embed(prefix, SWAPPED32((__u32)sender), &known->far6);
	return FOUND;
}

/* Change the packet, which is dropped where that fails halfway. */
SEPARATE int rewrite_turned_back(struct __sk_buff *skb, const struct transport *transport,
				 union ipv6_header *six, const struct addresses *known)
{
	struct pseudo_header pseudo;
	__u32 difference;
	int done;

	if (!transport || !six || !known)
		return PASSED_HAIRPIN;
	/* In `known` both addresses stand side by side; for a sum their order does not matter. */
	difference = bpf_csum_diff(&six->source, 32, &known->near6, 32, 0);
	done = adjust_checksum(skb, transport, six, 0, &pseudo, difference, IPV6_TO_IPV6);
	if (done != FOUND)
		return done;
	write_ipv6(six, SWAPPED32(six->first) >> 20 & 0xff, SWAPPED16(six->payload_length), six->protocol,
		   six->hop_limit - 1);
	six->source = known->far6;
	six->destination = known->near6;
	if (transport->is_fragment && store_fragment_header(skb, transport))
		return LOST;
	return bpf_skb_store_bytes(skb, link_header, six, IPV6_LENGTH, BPF_F_INVALIDATE_HASH) ? LOST : FOUND;
}

/* Turn a packet back whose sides are known by their IPv4 addresses. */
INLINE int turn_back(struct __sk_buff *skb, const struct settings *set, const struct transport *transport,
		     union ipv6_header *six, struct addresses *known, __u64 now)
{
	__u64 sender = known->slot;
	int done = find_turned_back(set, known, now);

	if (done != FOUND)
		return done;
	if (transport->is_fragment && !is_part(transport)) /* it would lose the fragment header */
		return PASSED_FRAGMENT;
	if (!may_be_cut_up(skb, transport))
		return PASSED_LENGTH;
	if (longest_on_link(skb, transport, IPV6_LENGTH + fragment_length(transport)) > set->mtu)
		return PASSED_TOO_BIG;
	done = rewrite_turned_back(skb, transport, six, known);
	if (done != FOUND)
		return done;
	mark_used(sender, now);
	mark_used(known->slot, now);
	return TURNED_BACK;
}

#endif
