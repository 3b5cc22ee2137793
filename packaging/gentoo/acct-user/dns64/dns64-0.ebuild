# Copyright 2026 the nat64 authors
# Distributed under the terms of the MIT licence

EAPI=8

inherit acct-user

DESCRIPTION="DNS64 server"

ACCT_USER_ID=-1
# The control sockets of both daemons belong to nat64.
ACCT_USER_GROUPS=( dns64 nat64 )

acct-user_add_deps
