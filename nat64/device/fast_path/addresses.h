/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Addresses by themselves: which may be translated, and how an IPv4 address stands in an IPv6 address (RFC
 * 6052, RFC 7757). Python's own are special_purpose.py, prefix.py and eamt.py in nat64/addressing.
 */
#ifndef NAT64_ADDRESSES_H
#define NAT64_ADDRESSES_H

#include "map_layout.h"

INLINE int is_same(const struct ipv6_address *one, const struct ipv6_address *other)
{
	return one->high == other->high && one->low == other->low;
}

/* Whether an IPv4 address, as a number, may cross a translator at all. */
INLINE int may_translate_ipv4(__u32 address)
{
	__u32 first = address >> 24;

	return first != 0 && first != 127 && (first < 224 || first > 239) && address >> 16 != 0xa9fe &&
	       address != 0xffffffff;
}

INLINE int may_translate_ipv6(const struct ipv6_address *address)
{
	__u64 high = SWAPPED64(address->high);
	__u32 first = high >> 56;

	if (first == 0)
		return high >> 32 == 0x0064ff9b;
	return first != 0xff && high >> 54 != 0xfe80 >> 6;
}

/*
 * Whether an IPv4 address, as a number, is globally reachable by the IANA registry of special-purpose
 * addresses.
 */
INLINE int is_global(__u32 address)
{
	__u32 first = address >> 24, two = address >> 16, three = address >> 8;

	if (address == 0xc0000009 || address == 0xc000000a) /* 192.0.0.9, RFC 7723; 192.0.0.10, RFC 8155 */
		return 1;
	if (first == 0 || first == 10 || first == 127 || first >= 240)
		return 0;
	/* RFC 6598, RFC 3927, RFC 1918 */
	if (address >> 22 == 0x6440 >> 6 || two == 0xa9fe || address >> 20 == 0xac1)
		return 0;
	if (two == 0xc0a8 || address >> 17 == 0xc612 >> 1) /* RFC 1918, RFC 2544 */
		return 0;
	/* RFC 6890 and the three documentation networks of RFC 5737 */
	return three != 0xc00000 && three != 0xc00002 && three != 0xc63364 && three != 0xcb0071;
}

INLINE int is_in(const struct prefix *prefix, const struct ipv6_address *address)
{
	return prefix->length && (address->high & prefix->mask.high) == prefix->network.high &&
	       (address->low & prefix->mask.low) == prefix->network.low;
}

/*
 * The IPv4 address, as a number, inside an IPv6 address of the prefix: RFC 6052 section 2.2. Up to a /56 it
 * begins in the upper half and goes on in the lower one behind the octet of bits 64 to 71, which is no part
 * of it.
 */
INLINE __u32 extract(const struct prefix *prefix, const struct ipv6_address *address)
{
	__u64 high = SWAPPED64(address->high), low = SWAPPED64(address->low);
	__u32 in_low = (prefix->length - 32) & 31;

	if (prefix->length == 96)
		return low;
	if (prefix->length == 64)
		return low >> 24;
	return (__u32)high << in_low | (low >> (56 - in_low) & ((1ULL << in_low) - 1));
}

INLINE void embed(const struct prefix *prefix, __u32 ipv4, struct ipv6_address *address)
{
	__u32 in_low = (prefix->length - 32) & 31;
	__u64 high = 0, low;

	if (prefix->length == 96) {
		low = ipv4;
	} else if (prefix->length == 64) {
		low = (__u64)ipv4 << 24;
	} else {
		high = ipv4 >> in_low;
		low = (ipv4 & ((1ULL << in_low) - 1)) << (56 - in_low);
	}
	address->high = prefix->network.high | SWAPPED64(high);
	address->low = prefix->network.low | SWAPPED64(low);
}

/* The IPv4 address, network order, that a map of networks gives for an IPv6 address of it. */
INLINE __be32 mapped_to_ipv4(const struct network_map *map, const struct ipv6_address *address)
{
	__u64 high = SWAPPED64(address->high), low = SWAPPED64(address->low), moved;
	__u32 padding = map->padding;

	if (padding >= 64)
		moved = high >> (padding & 63);
	else if (padding)
		moved = low >> (padding & 63) | high << ((64 - padding) & 63);
	else
		moved = low;
	return map->ipv4 | SWAPPED32((__u32)moved & map->suffix_mask);
}

INLINE void mapped_to_ipv6(const struct network_map *map, __be32 ipv4, struct ipv6_address *address)
{
	__u64 suffix = SWAPPED32(ipv4) & map->suffix_mask, high = 0, low = 0;
	__u32 padding = map->padding;

	if (padding >= 64) {
		high = suffix << (padding & 63);
	} else {
		low = suffix << (padding & 63);
		if (padding)
			high = suffix >> ((64 - padding) & 63);
	}
	address->high = map->ipv6.high | SWAPPED64(high);
	address->low = map->ipv6.low | SWAPPED64(low);
}

#endif
