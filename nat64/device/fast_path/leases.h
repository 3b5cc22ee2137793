/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* When leases were last used: what the program writes of them, and what it asks. */
#ifndef NAT64_LEASES_H
#define NAT64_LEASES_H

#include "map_layout.h"

/* By value: before Linux 6.2 a key may be on the stack, but not in what a function was given a pointer to. */
INLINE void mark_used(__u64 slot, __u64 now)
{
	__u64 *used;

	if (slot == NOT_LEASED)
		return;
	used = bpf_map_lookup_elem(&last_used, &slot);
	/* The clock ticks rarely, and a line that is only read is not torn between CPUs. */
	if (used && *used != now)
		*used = now;
}

/* Whether a lease has been used so lately that it answers packets from the IPv4 side. */
INLINE int is_active(const struct settings *set, __u64 slot, __u64 now)
{
	const __u64 *used;

	if (slot == NOT_LEASED)
		return 1;
	used = bpf_map_lookup_elem(&last_used, &slot);
	/* Times before the machine started are negative. */
	return used && (__s64)(now - *used) <= (__s64)set->active;
}

#endif
