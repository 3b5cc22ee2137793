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
#define IPV6_TO_IPV6 2 /* which is from IPv6, too */

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

/*
 * A header is read by its fields, and written by whole words: without CAP_PERFMON older kernels refuse a
 * narrow write beside another one in the same word of the stack.
 */
union ipv4_header {
	struct {
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
	__u64 words[3];
};

union ipv6_header {
	struct {
		__be32 first; /* version, traffic class, flow label */
		__be16 payload_length;
		__u8 protocol;
		__u8 hop_limit;
		struct ipv6_address source;
		struct ipv6_address destination;
	};
	__u64 words[5];
};

struct icmp_start {
	__u8 type;
	__u8 code;
	__be16 checksum;
};

_Static_assert(__builtin_offsetof(union ipv4_header, destination) + 4 == IPV4_LENGTH, "as on the wire");
_Static_assert(sizeof(union ipv6_header) == IPV6_LENGTH, "as on the wire");
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

/* Write an IPv4 header without options (RFC 791), all fields but the addresses in the machine's byte order.
 */
INLINE void write_ipv4(union ipv4_header *four, __u64 tos, __u64 total_length, __u64 identification,
		       __u64 flags)
{
	four->words[0] = 0x45 | tos << 8 | (__u64)SWAPPED16((__u16)total_length) << 16 |
			 (__u64)SWAPPED16((__u16)identification) << 32 | (__u64)SWAPPED16((__u16)flags) << 48;
}

/* Write what follows, with the checksum. The addresses are in network order. */
INLINE void write_ipv4_end(union ipv4_header *four, __u64 ttl, __u64 protocol, __u64 source,
			   __u64 destination)
{
	__u64 second = ttl | protocol << 8 | source << 32, first = four->words[0];
	__u64 sum =
	    (first & 0xffffffff) + (first >> 32) + (second & 0xffffffff) + (second >> 32) + destination;

	four->words[1] = second | (__u64)(__u16)~folded(sum) << 16;
	four->words[2] = destination;
}

/* Write an IPv6 header (RFC 8200) up to its addresses; the flow label is zero. */
INLINE void write_ipv6(union ipv6_header *six, __u64 traffic_class, __u64 length, __u64 protocol,
		       __u64 hop_limit)
{
	six->words[0] = SWAPPED32((__u32)(6 << 28 | traffic_class << 20)) |
			(__u64)SWAPPED16((__u16)length) << 32 | protocol << 48 | hop_limit << 56;
}

#endif
