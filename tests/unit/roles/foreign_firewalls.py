"""Firewalls of other tools, as their documentation says that they set up the forward hook.

`HERE` stands where a remedy goes.
"""

from __future__ import annotations

DOCKER = """
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -o docker0 -j DOCKER
-A DOCKER-FORWARD -i docker0 -j ACCEPT
COMMIT
"""
UFW = """
*filter
:FORWARD DROP [0:0]
:{0}-before-forward - [0:0]
:{0}-user-forward - [0:0]
:{0}-after-logging-forward - [0:0]
:{0}-reject-forward - [0:0]
-A FORWARD -j {0}-before-forward
-A FORWARD -j {0}-after-logging-forward
-A FORWARD -j {0}-reject-forward
-A {0}-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A {0}-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A {0}-before-forward -j {0}-user-forward
-A {0}-after-logging-forward -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "
COMMIT
"""
FIREWALLD = """
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        jump filter_FORWARD_POLICIES
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD_POLICIES {
        iifname "lan0" oifname "wan0" jump filter_FWD_lan
        HERE
        reject with icmpx admin-prohibited
    }
    chain filter_FWD_lan { accept; }
    chain filter_FWD_nat64 { jump filter_FWD_nat64_allow; accept; }
    chain filter_FWD_nat64_allow { }
}
"""
PLAIN = """
table inet filter {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        HERE
        iifname "lan0" oifname "wan0" accept
    }
}
"""
MAPPED = """
table inet zones {
    map ways { type ifname . ifname : verdict; elements = { "lan0" . "wan0" : accept HERE }; }
    set inside { type ipv6_addr; flags interval; elements = { 2001:db8:1::/64 }; }
    chain forward {
        type filter hook forward priority filter; policy accept;
        ct state established,related accept
        iifname . oifname vmap @ways
        meta l4proto { icmp, ipv6-icmp } limit rate 4/second accept
        goto refuse
    }
    chain refuse { counter drop; }
}
"""
NFTABLES = {
    "firewalld": (FIREWALLD, 'oifname "nat64" jump filter_FWD_nat64\niifname "nat64" jump filter_FWD_nat64'),
    "inet filter": (PLAIN, 'iifname "nat64" accept\noifname "nat64" accept'),
    "inet zones": (MAPPED, ', "lan0" . "nat64" : accept, "nat64" . "wan0" : accept'),
}
