"""Side-by-side measurement of DNS64 servers: dns64d beside Debian's Unbound, BIND and pdns-recursor."""
