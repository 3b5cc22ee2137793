// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The fast path: translates plain packets of known hosts in the kernel, where they leave by the TUN device.
 *
 * The kernel runs the program for each packet that is about to enter the device ("egress" is seen from the
 * kernel). A packet that it translates never reaches the device's reader, the daemon: it is sent back as if
 * it had just arrived on the same device, of the other family, and goes through firewall, routing and
 * masquerading from there. Every other packet goes on untouched, and the daemon translates it, answers it or
 * drops it; but of those with an unknown address only as many as budget.h allows.
 *
 * The rule: what leaves here is, octet for octet, what the daemon (nat64/siit) would have sent. The one
 * difference is the Identification of IPv4 packets that may be fragmented, which either draws from a counter
 * of its own.
 *
 * Before it runs, the kernel proves that a program ends and touches only its own memory. That is why most is
 * inlined, loops have a constant bound, and packets are read and written by copies instead of pointers.
 */
#include "budget.h"
#include "hairpin.h"
#include "icmp_errors.h"

char programs_license[] SEC("license") = "Dual MIT/GPL";

INLINE int is_alive(const struct settings *set, __u64 now)
{
	const __u64 *until = bpf_map_lookup_elem(&heartbeat, &only);

	return set && set->layout == LAYOUT && until && now <= *until;
}

/*
 * The Identification of an IPv4 packet that may be fragmented. Each CPU counts, as do those who cut a
 * large packet up.
 */
INLINE __u32 next_identification(const struct __sk_buff *skb)
{
	__u32 *last = bpf_map_lookup_elem(&identification, &only);
	__u32 segments = skb->gso_segs, number;

	if (!last)
		return 0;
	number = *last + 1;
	*last += segments > 1 ? segments : 1;
	number += bpf_get_smp_processor_id() * 0x9e37; /* so that CPUs are far apart */
	return number;
}

/*
 * Change the packet: the checksum, the family, the header. Until its family is changed the packet can still
 * be left to the daemon; what is changed in part only can but be dropped.
 */
INLINE int rewrite(struct __sk_buff *skb, const struct transport *transport, const union ipv6_header *six,
		   const union ipv4_header *four, int from_ipv6)
{
	struct pseudo_header pseudo;
	__u32 difference = difference_of(transport, six, four, &pseudo, from_ipv6);
	int done = adjust_checksum(skb, transport, six, four, &pseudo, difference, from_ipv6);
	__u32 at = link_header + (from_ipv6 ? IPV4_LENGTH : IPV6_LENGTH);
	__u64 new_type = transport->new_type;

	if (done != FOUND)
		return done;
	if (bpf_skb_change_proto(skb, SWAPPED16((from_ipv6 ? ETH_P_IP : ETH_P_IPV6)), 0))
		return restore_checksum(skb, transport, difference);
	if (transport->is_fragment && resize_for_fragment_header(skb, from_ipv6))
		return LOST;
	if (!from_ipv6 && transport->is_fragment && store_fragment_header(skb, transport))
		return LOST;
	if (from_ipv6 ? bpf_skb_store_bytes(skb, link_header, four, IPV4_LENGTH, 0)
		      : bpf_skb_store_bytes(skb, link_header, six, IPV6_LENGTH, 0))
		return LOST;
	if (transport->protocol == ICMP && bpf_skb_store_bytes(skb, at, &new_type, 1, 0))
		return LOST;
	return FOUND;
}

/* The two by themselves, as there is not enough of the stack for all at once. */
SEPARATE int rewrite_to_ipv4(struct __sk_buff *skb, const struct transport *transport,
			     const union ipv6_header *six, const union ipv4_header *four)
{
	return transport && six && four ? rewrite(skb, transport, six, four, FROM_IPV6) : PASSED_LENGTH;
}

SEPARATE int rewrite_to_ipv6(struct __sk_buff *skb, const struct transport *transport,
			     const union ipv6_header *six, const union ipv4_header *four)
{
	return transport && six && four ? rewrite(skb, transport, six, four, FROM_IPV4) : PASSED_LENGTH;
}

/* Read the IPv6 header, and what stands behind it, of a packet that is for the program by these. */
INLINE int read_ipv6(struct __sk_buff *skb, const struct settings *set, union ipv6_header *six,
		     struct transport *transport)
{
	if (bpf_skb_load_bytes(skb, link_header, six, IPV6_LENGTH) || SWAPPED32(six->first) >> 28 != 6)
		return PASSED_LENGTH;
	if (link_header + IPV6_LENGTH + SWAPPED16(six->payload_length) != skb->len)
		return PASSED_LENGTH;
	if (six->hop_limit < 2)
		return PASSED_HOP_LIMIT;
	if (is_same(&six->source, &set->own_ipv6) || is_same(&six->destination, &set->own_ipv6))
		return PASSED_OWN_ADDRESS;
	if (!may_translate_ipv6(&six->source) || !may_translate_ipv6(&six->destination))
		return PASSED_SPECIAL_ADDRESS;
	if (six->protocol == ICMP)
		return PASSED_PROTOCOL;
	transport->at = link_header + IPV6_LENGTH;
	transport->length = SWAPPED16(six->payload_length);
	transport->protocol = six->protocol == ICMPV6 ? ICMP : six->protocol;
	if (transport->protocol == FRAGMENT)
		return read_fragment_header(skb, set, transport);
	return read_transport(skb, set, transport, FROM_IPV6);
}

/* RFC 7915 section 5. */
SEPARATE int translate_ipv6(struct __sk_buff *skb, const struct settings *set, __u64 now)
{
	struct transport transport = {};
	struct addresses known = {};
	union ipv6_header six;
	union ipv4_header four;
	__u32 longest, flags, number;
	int outcome, near, done;

	if (!set)
		return PASSED_NO_HEARTBEAT;
	outcome = read_ipv6(skb, set, &six, &transport);
	if (outcome > TO_IPV4_ICMP)
		return outcome;
	longest = longest_on_link(skb, &transport, IPV4_LENGTH);
	if (longest > set->mtu || IPV4_LENGTH + transport.length > 0xffff)
		return PASSED_TOO_BIG;
	known.far6 = six.destination;
	known.near6 = six.source;
	done = find_far_ipv4(set, &known);
	if (done != FOUND && done != FOUND_HERE)
		return done;
	if (is_in_router_pool(set, known.far4))
		return PASSED_SPECIAL_ADDRESS;
	near = find_near_ipv4(set, &known);
	if (near != FOUND)
		return near;
	if (done == FOUND_HERE)
		return turn_back(skb, set, &transport, &six, &known, now);
	if (transport.is_fragment) {
		flags = transport.position;
		number = transport.identification;
	} else {
		flags = longest > MINIMUM_MTU - IPV4_LENGTH ? DONT_FRAGMENT : 0;
		number = flags ? 0 : next_identification(skb);
	}
	write_ipv4(&four, (SWAPPED32(six.first) >> 20 & set->tos_kept) | set->tos_set,
		   IPV4_LENGTH + transport.length, number, flags);
	write_ipv4_end(&four, six.hop_limit - 1, transport.protocol, known.near4, known.far4);
	done = rewrite_to_ipv4(skb, &transport, &six, &four);
	if (done != FOUND)
		return done;
	mark_used(known.slot, now);
	return outcome;
}

/* Read the IPv4 header, and what stands behind it, of a packet that is for the program by these. */
INLINE int read_ipv4(struct __sk_buff *skb, const struct settings *set, union ipv4_header *four,
		     struct transport *transport)
{
	if (bpf_skb_load_bytes(skb, link_header, four, IPV4_LENGTH) || four->version_length >> 4 != 4)
		return PASSED_LENGTH;
	if (four->version_length != 0x45)
		return PASSED_OPTIONS;
	if (SWAPPED16(four->total_length) < IPV4_LENGTH ||
	    link_header + SWAPPED16(four->total_length) != skb->len)
		return PASSED_LENGTH;
	if (four->ttl < 2)
		return PASSED_HOP_LIMIT;
	if (four->source == set->own_ipv4 || four->destination == set->own_ipv4)
		return PASSED_OWN_ADDRESS;
	if (!may_translate_ipv4(SWAPPED32(four->source)) || !may_translate_ipv4(SWAPPED32(four->destination)))
		return PASSED_SPECIAL_ADDRESS;
	if (is_in_router_pool(set, four->source) || is_in_router_pool(set, four->destination))
		return PASSED_SPECIAL_ADDRESS;
	transport->at = link_header + IPV4_LENGTH;
	transport->length = SWAPPED16(four->total_length) - IPV4_LENGTH;
	transport->protocol = four->protocol;
	if (four->flags & SWAPPED16(FRAGMENTED)) {
		transport->position = SWAPPED16(four->flags) & FRAGMENTED;
		transport->identification = SWAPPED16(four->identification);
		return read_fragment(skb, set, transport, FROM_IPV4);
	}
	return read_transport(skb, set, transport, FROM_IPV4);
}

/* RFC 7915 section 4. */
SEPARATE int translate_ipv4(struct __sk_buff *skb, const struct settings *set, __u64 now)
{
	struct transport transport = {};
	struct addresses known = {};
	union ipv4_header four = {};
	union ipv6_header six;
	__u32 mtu, unfragmented_mtu, protocol;
	int outcome, done;

	if (!set)
		return PASSED_NO_HEARTBEAT;
	outcome = read_ipv4(skb, set, &four, &transport);
	if (outcome > TO_IPV4_ICMP)
		return outcome;
	mtu = set->mtu;
	unfragmented_mtu = set->unfragmented_mtu;
	READ_HERE(mtu);
	READ_HERE(unfragmented_mtu);
	if (!(four.flags & SWAPPED16(DONT_FRAGMENT)))
		mtu = unfragmented_mtu;
	if (longest_on_link(skb, &transport, IPV6_LENGTH + fragment_length(&transport)) > mtu)
		return PASSED_TOO_BIG;
	known.near4 = four.destination;
	known.far4 = four.source;
	done = find_near_ipv6(set, &known);
	if (done == FOUND && !is_active(set, known.slot, now))
		done = PASSED_DORMANT_LEASE;
	if (done == FOUND)
		done = find_far_ipv6(set, &known, now);
	if (done != FOUND)
		return done;
	protocol = transport.protocol == ICMP ? ICMPV6 : transport.protocol;
	write_ipv6(&six, (four.tos & set->traffic_class_kept) | set->traffic_class_set,
		   transport.length + fragment_length(&transport),
		   transport.is_fragment ? FRAGMENT : protocol, four.ttl - 1);
	six.source = known.far6;
	six.destination = known.near6;
	done = rewrite_to_ipv6(skb, &transport, &six, &four);
	if (done != FOUND)
		return done;
	mark_used(known.slot, now);
	return outcome + (TO_IPV6_TCP - TO_IPV4_TCP);
}

INLINE int translate_ipv4_or_error(struct __sk_buff *skb, const struct settings *set, __u64 now)
{
	int outcome = translate_ipv4(skb, set, now);

	return outcome == PASSED_ICMP_NOT_ECHO ? translate_error(skb, set, now) : outcome;
}

INLINE int translate(struct __sk_buff *skb)
{
	const struct settings *set = bpf_map_lookup_elem(&settings, &only);
	__u64 now = bpf_ktime_get_coarse_ns();
	int outcome = PASSED_NOT_IP;

	if (!is_alive(set, now))
		return PASSED_NO_HEARTBEAT;
	if (skb->protocol == SWAPPED16(ETH_P_IPV6))
		outcome = translate_ipv6(skb, set, now);
	else if (skb->protocol == SWAPPED16(ETH_P_IP))
		outcome = translate_ipv4_or_error(skb, set, now);
	if (outcome == PASSED_UNKNOWN_ADDRESS && !may_go_up(skb, set, now))
		return OVER_BUDGET;
	return outcome;
}

SEC("tc")
int nat64_fast_path(struct __sk_buff *skb)
{
	__u32 outcome = translate(skb);
	__u64 *count = bpf_map_lookup_elem(&outcomes, &outcome);

	if (count)
		*count += 1; /* each CPU has its own */
	if (outcome <= ERROR_TO_IPV6) {
		skb->mark = 0; /* as of a packet that the daemon writes to the device */
		return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
	}
	return outcome >= LOST ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}
