# Copyright 2026 the nat64 authors
# Distributed under the terms of the MIT licence

EAPI=8

inherit acct-group

DESCRIPTION="Group of net-proxy/nat64: the DNS64 server"

# Whatever number is free: this is no part of ::gentoo.
ACCT_GROUP_ID=-1
