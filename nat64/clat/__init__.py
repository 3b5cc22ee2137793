"""The customer-side translator (CLAT) of 464XLAT, RFC 6877: IPv4 for a host whose network has only IPv6 and NAT64.

`decisions` decides, from what `network` says the host's network is; `identifiers` and `translator_config` are what it needs
for that. `kernel`, `forwarding` and `translator` carry it out.
"""
