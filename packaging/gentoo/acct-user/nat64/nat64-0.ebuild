# Copyright 2026 the nat64 authors
# Distributed under the terms of the MIT licence

EAPI=8

inherit acct-user

DESCRIPTION="NAT64 translator"

ACCT_USER_ID=-1
ACCT_USER_GROUPS=( nat64 )

acct-user_add_deps
