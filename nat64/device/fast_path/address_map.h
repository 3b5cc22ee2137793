/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which address stands for which: what AddressMap in nat64/addressing/address_map.py decides, as far as it is
 * plain.
 *
 * As there, a packet has a near side, the IPv6 host, and a far side, which is seen through a prefix. The
 * functions return FOUND, or the outcome of a packet that is the daemon's to judge.
 */
#ifndef NAT64_ADDRESS_MAP_H
#define NAT64_ADDRESS_MAP_H

#include "addresses.h"
#include "leases.h"

#define FOUND (-1)
#define FOUND_HERE (-2) /* a far side that is or may be a host here, to whom the packet turns back */

/*
 * Every member is as wide as a register, or two: see transport.h. For the same reason keys are, of which the
 * kernel reads as much as the map's have.
 */
struct addresses {
	struct ipv6_address near6;
	struct ipv6_address far6;
	__u64 near4; /* network order, as is the next */
	__u64 far4;
	__u64 of;   /* the prefix that they belong to */
	__u64 slot; /* of the near side's lease */
};

INLINE const struct network_map *map_of_ipv6(const struct ipv6_address *address, __u64 of)
{
	union map6_key key;

	key.words[0] = (32 + 128) | of << 32;
	key.words[1] = address->high;
	key.words[2] = address->low;
	return bpf_map_lookup_elem(&maps6, &key);
}

INLINE const struct network_map *map_of_ipv4(__u64 address)
{
	union map4_key key;

	key.words[0] = 32 | address << 32;
	return bpf_map_lookup_elem(&maps4, &key);
}

INLINE const struct host6 *host_of_ipv6(const struct ipv6_address *address, __u64 of)
{
	struct host6_key key = {.host = *address, .of = of};

	return bpf_map_lookup_elem(&hosts6, &key);
}

/* Not by an index into `settings`: without CAP_PERFMON the kernel allows no such arithmetic in a loop. */
INLINE const struct prefix *prefix_at(__u64 of)
{
	return bpf_map_lookup_elem(&prefixes, &of);
}

/* Whether an IPv6 address can be made of it, or it of one, by the prefix alone. */
INLINE int is_for_prefix(const struct prefix *prefix, __u32 ipv4)
{
	return may_translate_ipv4(ipv4) && !(prefix->global_only && !is_global(ipv4));
}

INLINE int is_in_router_pool(const struct settings *set, __be32 ipv4)
{
	return (ipv4 & set->router_mask) == set->router_network;
}

/*
 * Whether an address lies in a pool. A lease there is of a host on this side, whom others reach by
 * turning back.
 */
INLINE int is_in_pool(const struct settings *set, __be32 ipv4)
{
	UNROLLED for (__u32 i = 0; i < MOST_PREFIXES && i < set->prefixes; i++)
	{
		const struct prefix *prefix = prefix_at(i);

		if (prefix && (ipv4 & prefix->pool_mask) == prefix->pool_network)
			return 1;
	}
	return 0;
}

/*
 * Whether a packet through a prefix to this address turns back to a host here, RFC 7757 section 4.2.2,
 * or may do so.
 */
INLINE int turns_back(const struct settings *set, __u64 ipv4)
{
	const struct host4 *host;

	if (!(set->flags & HAIRPIN_INTRINSIC))
		return 0;
	if (is_in_pool(set, ipv4))
		return 1;
	if (set->flags & EXACT_MAPS) {
		host = bpf_map_lookup_elem(&hosts4, &ipv4);
		if (host)
			return 1;
	}
	return set->flags & NETWORK_MAPS && map_of_ipv4(ipv4);
}

/* Find the far side of a packet from IPv6, and the prefix: fixed maps before prefixes, and the longest first.
 */
SEPARATE int find_far_ipv4(const struct settings *set, struct addresses *known)
{
	const struct network_map *map;
	const struct host6 *host;
	__u32 ipv4;

	if (!set || !known)
		return PASSED_UNKNOWN_ADDRESS;
	if (set->flags & EXACT_MAPS) {
		host = host_of_ipv6(&known->far6, ANY_PREFIX);
		if (host) {
			known->far4 = host->ipv4;
			known->of = host->of;
			return FOUND;
		}
	}
	if (set->flags & NETWORK_MAPS) {
		map = map_of_ipv6(&known->far6, ANY_PREFIX);
		if (map) {
			known->far4 = mapped_to_ipv4(map, &known->far6);
			known->of = map->of;
			return FOUND;
		}
	}
	UNROLLED for (__u32 i = 0; i < MOST_PREFIXES && i < set->prefixes; i++)
	{
		const struct prefix *prefix = prefix_at(i);

		if (!prefix || !is_in(prefix, &known->far6))
			continue;
		ipv4 = extract(prefix, &known->far6);
		if (!is_for_prefix(prefix, ipv4))
			return PASSED_SPECIAL_ADDRESS;
		known->far4 = SWAPPED32(ipv4);
		known->of = i;
		return turns_back(set, known->far4) ? FOUND_HERE : FOUND;
	}
	return PASSED_UNKNOWN_ADDRESS;
}

/*
 * What follows looks at each pointer once. Without CAP_PERFMON the kernel also checks what a processor may do
 * when it guesses a condition wrong, and a second look at a pointer that is known to be NULL is such a
 * condition.
 */

/* Find the near side of a packet from IPv6: a map of the packet's prefix, else its lease there. */
SEPARATE int find_near_ipv4(const struct settings *set, struct addresses *known)
{
	const struct network_map *map;
	const struct host6 *host;
	int found = PASSED_UNKNOWN_ADDRESS;

	if (!set || !known)
		return PASSED_UNKNOWN_ADDRESS;
	host = host_of_ipv6(&known->near6, known->of);
	if (host) {
		known->near4 = host->ipv4;
		known->slot = host->slot;
		if (host->slot == NOT_LEASED)
			return FOUND;
		found = FOUND;
	}
	if (set->flags & NETWORK_MAPS) {
		map = map_of_ipv6(&known->near6, known->of);
		if (map) {
			known->near4 = mapped_to_ipv4(map, &known->near6);
			known->slot = NOT_LEASED;
			return FOUND;
		}
	}
	return found;
}

/* Find the near side of a packet from IPv4, and the prefix: a map of any prefix, else a lease. */
SEPARATE int find_near_ipv6(const struct settings *set, struct addresses *known)
{
	const struct network_map *map;
	const struct host4 *host;
	int found = PASSED_UNKNOWN_ADDRESS;
	__u64 ipv4;

	if (!set || !known)
		return PASSED_UNKNOWN_ADDRESS;
	ipv4 = known->near4;
	host = bpf_map_lookup_elem(&hosts4, &ipv4);
	if (host) {
		known->near6 = host->host;
		known->of = host->of;
		known->slot = host->slot;
		if (host->slot == NOT_LEASED)
			return FOUND;
		found = FOUND;
	}
	if (set->flags & NETWORK_MAPS) {
		map = map_of_ipv4(ipv4);
		if (map) {
			mapped_to_ipv6(map, ipv4, &known->near6);
			known->of = map->of;
			known->slot = NOT_LEASED;
			return FOUND;
		}
	}
	return found;
}

/* Whether a fixed map gives the far side of a packet from IPv4. */
INLINE int is_far_mapped(const struct settings *set, struct addresses *known)
{
	const struct network_map *map;
	const struct host4 *host;
	__u64 ipv4 = known->far4;

	if (set->flags & EXACT_MAPS) {
		host = bpf_map_lookup_elem(&hosts4, &ipv4);
		if (host && host->slot == NOT_LEASED) {
			known->far6 = host->host;
			return 1;
		}
	}
	if (set->flags & NETWORK_MAPS) {
		map = map_of_ipv4(known->far4);
		if (map) {
			mapped_to_ipv6(map, known->far4, &known->far6);
			return 1;
		}
	}
	return 0;
}

/*
 * Whether a pool's address is seen through the prefix as any other's, which it is with `hairpin simple`, where
 * it has a lease.
 */
INLINE int is_seen_through_prefix(const struct settings *set, __u64 ipv4, __u64 now)
{
	const struct host4 *host;

	if (!(set->flags & HAIRPIN_SIMPLE))
		return 0;
	host = bpf_map_lookup_elem(&hosts4, &ipv4);
	return host && is_active(set, host->slot, now);
}

/* Find the far side of a packet from IPv4: as a map says, else as it is seen through the near side's prefix.
 */
SEPARATE int find_far_ipv6(const struct settings *set, struct addresses *known, __u64 now)
{
	const struct prefix *prefix;
	int is_mapped;

	if (!set || !known)
		return PASSED_UNKNOWN_ADDRESS;
	prefix = prefix_at(known->of);
	is_mapped = is_far_mapped(set, known);
	if (is_mapped && !(set->flags & HAIRPIN_SIMPLE))
		return FOUND;
	if (!is_mapped && is_in_pool(set, known->far4) && !is_seen_through_prefix(set, known->far4, now))
		return PASSED_HAIRPIN;
	if (!prefix || !prefix->length)
		return PASSED_UNKNOWN_ADDRESS;
	if (!is_for_prefix(prefix, SWAPPED32((__u32)known->far4)))
		return PASSED_SPECIAL_ADDRESS;
	embed(prefix, SWAPPED32((__u32)known->far4), &known->far6);
	return FOUND;
}

#endif
