"""Which IPv4 address stands for which IPv6 address: RFC 6052 prefixes, explicit maps, and the dynamic pool.

Nothing here does I/O or reads a clock. Addresses are `bytes` in network order, 4 or 16 long, as they stand
in packets; seconds are given as `now`, on any clock that does not jump.
"""
