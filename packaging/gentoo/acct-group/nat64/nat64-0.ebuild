# Copyright 2026 the nat64 authors
# Distributed under the terms of the MIT licence

EAPI=8

inherit acct-group

DESCRIPTION="Group of the NAT64 translator, and of who may ask it for its status"

# Whatever number is free: this is no part of ::gentoo.
ACCT_GROUP_ID=-1
