"""Which NAT64 prefix a network has: by router advertisements (RFC 8781), else by the name ipv4only.arpa (RFC 7050).

`advertisement`, `ipv4only` and `known_prefixes` decide; `icmpv6_channel` and `resolver_query` talk to the network.
"""
