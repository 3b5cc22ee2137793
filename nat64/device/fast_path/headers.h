/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The headers that the program reads and writes: RFC 791, RFC 8200, RFC 792, RFC 4443. All fields in
 * network order.
 */
#ifndef NAT64_HEADERS_H
#define NAT64_HEADERS_H

#include "map_layout.h"

/*
 * Octets before the IP header. A TUN device has none; the loader writes 14 where packets come with an
 * Ethernet header.
 */
const volatile __u32 link_header SEC(".rodata.device") = 0;

/* The direction, as a constant: so each of the two is compiled by itself. */
#define FROM_IPV6 1
#define FROM_IPV4 0

#define TCP 6
#define UDP 17
#define ICMP 1
#define ICMPV6 58
#define ECHO_REPLY 0
#define ECHO_REQUEST 8
#define V6_ECHO_REQUEST 128
#define V6_ECHO_REPLY 129

#define DONT_FRAGMENT 0x4000
#define FRAGMENTED 0x3fff /* more fragments, or an offset */
#define IPV4_LENGTH 20
#define IPV6_LENGTH 40
#define MINIMUM_MTU 1280 /* of every IPv6 link */

struct ipv4_header {
	__u8 version_length;
	__u8 tos;
	__be16 total_length;
	__be16 identification;
	__be16 flags;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 destination;
};

struct ipv6_header {
	__be32 first; /* version, traffic class, flow label */
	__be16 payload_length;
	__u8 protocol;
	__u8 hop_limit;
	struct ipv6_address source;
	struct ipv6_address destination;
};

struct icmp_start {
	__u8 type;
	__u8 code;
	__be16 checksum;
};

_Static_assert(sizeof(struct ipv4_header) == IPV4_LENGTH, "as on the wire");
_Static_assert(sizeof(struct ipv6_header) == IPV6_LENGTH, "as on the wire");
_Static_assert(sizeof(struct icmp_start) == 4, "as on the wire");

/* Fold a sum of 16-bit words to 16 bits, RFC 1071. It does not matter in which byte order they were summed.
 */
INLINE __u16 folded(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

INLINE __be16 ipv4_checksum(const struct ipv4_header *header)
{
	const __u32 *words = (const __u32 *)header;

	return ~folded((__u64)words[0] + words[1] + words[2] + words[3] + words[4]);
}

#endif
