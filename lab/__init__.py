"""A network of real hosts on one machine: a bare gateway, an IPv6-only client, and an Internet to reach.

Each host is a systemd-nspawn container with its own systemd and its own network namespace; the links are
veth pairs made straight between those namespaces. Nothing of the machine's own network is touched.
"""
