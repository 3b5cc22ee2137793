/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How many packets with an address that the maps do not hold may go up to the daemon. Each costs the daemon as much
 * processor time as hundreds cost the program, and whoever invents addresses has as many as he likes: without a bound
 * he would take the processors from the traffic of known hosts.
 */
#ifndef NAT64_BUDGET_H
#define NAT64_BUDGET_H

#include "headers.h"

#define SECOND 1000000000ULL /* nanoseconds; what a budget allows in it, it also allows at once */

/*
 * Take one from a budget that grows by one each `interval` nanoseconds; 0 when there is none. The budget is kept as the
 * time until which it is spent. CPUs that do so at the same time may take one for two.
 */
INLINE int take(__u32 budget, __u64 interval, __u64 now)
{
	__u64 *spent_until = bpf_map_lookup_elem(&budgets, &budget);
	__u64 until;

	if (!spent_until)
		return 1;
	until = *spent_until;
	if (until < now)
		until = now;
	if (until - now > SECOND)
		return 0;
	*spent_until = until + interval;
	return 1;
}

/*
 * Whether one more packet with an unknown address may go up at `now`. Those from one /64, and those from IPv4, get half
 * of it all, so that there is something left for the others.
 */
SEPARATE int may_go_up(struct __sk_buff *skb, const struct settings *set, __u64 now)
{
	__u32 budget = BUDGET_OF_IPV4;
	__u64 network = 0, interval;

	if (!set || !set->new_host_interval)
		return 1;
	interval = set->new_host_interval;
	if (skb->protocol == SWAPPED16(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, link_header + 8, &network, sizeof(network))) /* of the source */
			return 1;
		budget = FIRST_BUDGET_OF_IPV6 + (network * 0x9e3779b97f4a7c15ULL >> 54);
	}
	return take(budget, 2 * interval, now) && take(BUDGET_OF_ALL, interval, now);
}

#endif
