/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the program needs of Linux: the packet's context, the kernel's helper functions, and how a map is
 * declared.
 *
 * All of it is the stable interface between BPF programs and any kernel since 5.15, written down here so that
 * no header of a kernel or C library is needed. A helper is called by its number: these are in the kernel's
 * uapi/linux/bpf.h.
 */
#ifndef NAT64_KERNEL_H
#define NAT64_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16; /* network byte order, as on the wire */
typedef __u32 __be32;
typedef __u64 __be64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
/*
 * A function that the kernel checks once, by itself, instead of anew on each path that leads to it: what
 * keeps the check short. It has to look at its pointers first, as they may be NULL for all that is known
 * there.
 */
#define SEPARATE __attribute__((noinline))

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the program is written for little-endian machines"
#endif
/* Between network order and the machine's, either way. */
#define SWAPPED16(number) __builtin_bswap16(number)
#define SWAPPED32(number) __builtin_bswap32(number)
#define SWAPPED64(number) __builtin_bswap64(number)

/*
 * A loop of a constant number of turns, written out. Without CAP_PERFMON the kernel also checks what happens
 * where a processor guesses that there is one more turn, and then another; older kernels never come to an end
 * with that.
 */
#define UNROLLED _Pragma("clang loop unroll(full)")

/*
 * Make the compiler read a value here. Left alone it may choose between two addresses and read once, and
 * without CAP_PERFMON the kernel refuses an address that depends on the path.
 */
#define READ_HERE(variable) asm volatile("" : "+r"(variable))

/* The packet as a program sees it: a view that the kernel translates to its own structure on each access. */
struct __sk_buff {
	__u32 len; /* octets, those in the link header included */
	__u32 pkt_type;
	__u32 mark;
	__u32 queue_mapping;
	__u32 protocol; /* EtherType, network order */
	__u32 vlan_present;
	__u32 vlan_tci;
	__u32 vlan_proto;
	__u32 priority;
	__u32 ingress_ifindex;
	__u32 ifindex;
	__u32 tc_index;
	__u32 cb[5];
	__u32 hash;
	__u32 tc_classid;
	__u32 data;
	__u32 data_end;
	__u32 napi_id;
	__u32 family;
	__u32 remote_ip4;
	__u32 local_ip4;
	__u32 remote_ip6[4];
	__u32 local_ip6[4];
	__u32 remote_port;
	__u32 local_port;
	__u32 data_meta;
	__u64 flow_keys;
	__u64 tstamp;
	__u32 wire_len;
	__u32 gso_segs; /* how many packets it stands for, 0 or 1 for an ordinary one */
	__u64 sk;
	__u32 gso_size; /* octets of data in each of them, 0 for an ordinary packet */
};

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

#define TC_ACT_UNSPEC (-1) /* go on as if this program were not there */
#define TC_ACT_SHOT 2	   /* drop */

#define BPF_F_INVALIDATE_HASH 2	  /* what the kernel knows of the addresses is no more true */
#define BPF_ADJ_ROOM_NET 0	  /* room behind the IP header */
#define BPF_F_INGRESS 1
#define BPF_F_PSEUDO_HDR 0x10	  /* the checksum covers the changed addresses */
#define BPF_F_MARK_MANGLED_0 0x20 /* zero means "no checksum"; a computed zero is sent as 0xffff */

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static __u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static long (*bpf_skb_store_bytes)(struct __sk_buff *skb, __u32 at, const void *from, __u32 length,
				   __u64 flags) = (void *)9;
static long (*bpf_l4_csum_replace)(struct __sk_buff *skb, __u32 at, __u64 from, __u64 to,
				   __u64 flags) = (void *)11;
static long (*bpf_redirect)(__u32 ifindex, __u64 flags) = (void *)23;
static long (*bpf_skb_load_bytes)(const struct __sk_buff *skb, __u32 at, void *to, __u32 length) = (void *)26;
static __s64 (*bpf_csum_diff)(const void *from, __u32 from_size, const void *to, __u32 to_size,
			      __u32 seed) = (void *)28;
static long (*bpf_skb_change_proto)(struct __sk_buff *skb, __be16 protocol, __u64 flags) = (void *)31;
static long (*bpf_skb_adjust_room)(struct __sk_buff *skb, int by, __u32 where, __u64 flags) = (void *)50;
static __u64 (*bpf_ktime_get_coarse_ns)(void) = (void *)160;

/*
 * A map is declared as a structure whose members are pointers: their types tell the loader the map's type,
 * key and value; the numbers are array lengths. Nothing of it exists when the program runs.
 */
#define MAP_NUMBER(name, value) int (*name)[value]
#define MAP_TYPE(name, type) type *name

#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_LPM_TRIE 11
#define BPF_F_NO_PREALLOC 1 /* memory is taken as entries are made */
#define BPF_F_MMAPABLE 1024 /* the daemon reads and writes the values as its own memory */

#endif
