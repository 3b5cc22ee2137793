/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The maps: memory that the daemon and the program share. layout.py is the same for Python, and a test
 * compares the two.
 *
 * The daemon writes all of them but `last_used`, `outcomes` and the three at the end, which the program
 * writes. Addresses are in network byte order, all other numbers in the machine's. LAYOUT grows whenever
 * anything here changes.
 */
#ifndef NAT64_MAP_LAYOUT_H
#define NAT64_MAP_LAYOUT_H

#include "kernel.h"

#define LAYOUT 2
#define MOST_PREFIXES 16
#define ANY_PREFIX 0xffffffffU /* in a key: fixed maps of all prefixes, for an address that is a far side */
#define NOT_LEASED 0	       /* in a slot: a fixed map, whose use nobody asks for */
#define BUDGET_OF_ALL 0
#define BUDGET_OF_IPV4 1
#define FIRST_BUDGET_OF_IPV6 2
#define BUDGETS (FIRST_BUDGET_OF_IPV6 + 1024) /* /64s share those by a hash */

struct ipv6_address {
	__be64 high;
	__be64 low;
};

/*
 * One NAT64 prefix with its pool: `network` is under `mask`; `length` is 0 where there is a pool but no
 * prefix.
 */
struct prefix {
	struct ipv6_address network;
	struct ipv6_address mask;
	__u32 length;
	__u32 global_only;   /* RFC 6052 section 3.1: not for addresses that are not global */
	__be32 pool_network; /* not under its mask where there is no pool */
	__be32 pool_mask;
};

enum settings_flag {
	EXACT_MAPS = 1,	  /* there are fixed maps of single addresses, in `hosts4` and `hosts6` */
	NETWORK_MAPS = 2, /* there are fixed maps of networks, in `maps4` and `maps6` */
	HAIRPIN_INTRINSIC = 4,
	HAIRPIN_SIMPLE = 8,
	UDP_ZERO_FORWARD = 16,	 /* UDP from IPv4 without a checksum goes on without */
	UDP_ZERO_CALCULATE = 32, /* it gets one; with neither the daemon drops it */
};

struct settings {
	__u32 layout; /* LAYOUT, else the program does nothing */
	enum settings_flag flags;
	__u32 mtu;		/* of the device, octets */
	__u32 unfragmented_mtu; /* for IPv6 packets made from IPv4 packets that may be fragmented */
	__u8 tos_kept;		/* bits of the traffic class that go into TOS, and what is set beside them */
	__u8 tos_set;
	__u8 traffic_class_kept;
	__u8 traffic_class_set;
	__be32 own_ipv4;
	__be32 router_network; /* RFC 6791 pool; not under its mask where there is none */
	__be32 router_mask;
	__u32 prefixes;
	__u32 new_host_interval; /* nanoseconds for which one packet uses up the budget of all; 0: no bound */
	__u64 active; /* nanoseconds for which a lease answers IPv4 after its last packet */
	struct ipv6_address own_ipv6;
};

struct host6_key {
	struct ipv6_address host;
	__u64 of; /* which prefix, or ANY_PREFIX */
};

struct host6 {
	__be32 ipv4;
	__u32 slot; /* of the lease in `last_used`, NOT_LEASED for a fixed map */
	__u32 of;
};

struct host4 {
	struct ipv6_address host;
	__u32 slot;
	__u32 of;
};

/* Keys for the kernel's longest match: how many of the bits behind `length` count, and these. */
union map6_key {
	struct {
		__u32 length; /* 32, and the network's */
		__u32 of;     /* which prefix, or ANY_PREFIX */
		struct ipv6_address address;
	};
	__u64 words[3]; /* by which it is written: see headers.h */
};

union map4_key {
	struct {
		__u32 length;
		__be32 address;
	};
	__u64 words[1];
};

/* An explicit address mapping of networks, RFC 7757: see Eam in nat64/addressing/eamt.py. */
struct network_map {
	struct ipv6_address ipv6;
	__be32 ipv4;
	__u32 suffix_mask; /* of the IPv4 address, as a number */
	__u32 padding;	   /* bits of the IPv6 address behind the suffix */
	__u32 of;
};

/*
 * What became of a packet. The first eight were translated; the rest went on to the daemon as they came,
 * but for the last two, which were dropped.
 */
enum outcome {
	TO_IPV4_TCP,
	TO_IPV4_UDP,
	TO_IPV4_ICMP,
	TO_IPV6_TCP,
	TO_IPV6_UDP,
	TO_IPV6_ICMP,
	TURNED_BACK,
	ERROR_TO_IPV6,
	PASSED_NO_HEARTBEAT,
	PASSED_NOT_IP,
	PASSED_LENGTH,
	PASSED_PROTOCOL,
	PASSED_OPTIONS,
	PASSED_FRAGMENT,
	PASSED_HOP_LIMIT,
	PASSED_TOO_BIG,
	PASSED_OWN_ADDRESS,
	PASSED_SPECIAL_ADDRESS,
	PASSED_UNKNOWN_ADDRESS,
	PASSED_DORMANT_LEASE,
	PASSED_HAIRPIN,
	PASSED_UDP_WITHOUT_CHECKSUM,
	PASSED_ICMP_NOT_ECHO,
	PASSED_CHECKSUM_UNFINISHED,
	PASSED_KERNEL_REFUSED,
	LOST,
	OVER_BUDGET,
	OUTCOMES,
};

static const __u32 only = 0; /* the key of maps with one entry */

struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_ARRAY);
	MAP_NUMBER(max_entries, 1);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct settings);
} settings SEC(".maps");

struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_ARRAY);
	MAP_NUMBER(max_entries, MOST_PREFIXES);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct prefix);
} prefixes SEC(".maps");

/* Until when the program may translate: nanoseconds of CLOCK_MONOTONIC. 0 stops it at once. */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_ARRAY);
	MAP_NUMBER(max_entries, 1);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, __u64);
} heartbeat SEC(".maps");

/* The loader sets the number of entries of these five; 1 stands for it. */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_HASH);
	MAP_NUMBER(max_entries, 1);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_TYPE(key, struct host6_key);
	MAP_TYPE(value, struct host6);
} hosts6 SEC(".maps");

struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_HASH);
	MAP_NUMBER(max_entries, 1);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_TYPE(key, __be32);
	MAP_TYPE(value, struct host4);
} hosts4 SEC(".maps");

struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_LPM_TRIE);
	MAP_NUMBER(max_entries, 1);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_TYPE(key, union map6_key);
	MAP_TYPE(value, struct network_map);
} maps6 SEC(".maps");

struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_LPM_TRIE);
	MAP_NUMBER(max_entries, 1);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_TYPE(key, union map4_key);
	MAP_TYPE(value, struct network_map);
} maps4 SEC(".maps");

/*
 * When each lease was last used: nanoseconds of CLOCK_MONOTONIC, some milliseconds late. Before the machine
 * started it is negative, as a number with a sign.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_ARRAY);
	MAP_NUMBER(max_entries, 1);
	MAP_NUMBER(map_flags, BPF_F_MMAPABLE);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, __u64);
} last_used SEC(".maps");

/* Packets by what became of them, for each CPU. */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	MAP_NUMBER(max_entries, OUTCOMES);
	MAP_TYPE(key, enum outcome);
	MAP_TYPE(value, __u64);
} outcomes SEC(".maps");

/*
 * Room for octets of the packet that are to be summed, more than the stack has. While a packet is sent
 * nothing else of the network runs on its CPU.
 */
#define SUMMED_AT_ONCE 512

struct octets {
	__u64 octets[SUMMED_AT_ONCE / 8];
};

struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	MAP_NUMBER(max_entries, 1);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct octets);
} summed SEC(".maps");

/* Until when each budget of packets with an unknown address is spent: nanoseconds of CLOCK_MONOTONIC. See budget.h. */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_ARRAY);
	MAP_NUMBER(max_entries, BUDGETS);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, __u64);
} budgets SEC(".maps");

/* The Identification of the last IPv4 packet that this CPU made. */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	MAP_NUMBER(max_entries, 1);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, __u32);
} identification SEC(".maps");

#endif
