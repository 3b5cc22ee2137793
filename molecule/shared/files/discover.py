# ruff: noqa: INP001 - a program
"""Ask on lan0 for an IPv4 address, as a host that can do without one, and print option 108 of the offer."""

import logging
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.config import conf  # noqa: E402 - it warns when it is loaded
from scapy.layers.dhcp import BOOTP, DHCP  # noqa: E402 - as above
from scapy.layers.inet import IP, UDP  # noqa: E402 - as above
from scapy.layers.l2 import Ether  # noqa: E402 - as above
from scapy.sendrecv import srp1  # noqa: E402 - as above

HARDWARE_ADDRESS = "020000000164"
OPTION = 108  # RFC 8925
PATIENCE = 20  # questions, a second each


def main() -> str | None:
    """Ask until an offer comes; return what is wrong."""
    conf.checkIPaddr = False  # the offer comes to the broadcast address
    discover = (
        Ether(src=":".join(HARDWARE_ADDRESS[at : at + 2] for at in range(0, 12, 2)), dst="ff:ff:ff:ff:ff:ff")
        / IP(src="0.0.0.0", dst="255.255.255.255")  # noqa: S104 - it has none yet
        / UDP(sport=68, dport=67)
        / BOOTP(chaddr=bytes.fromhex(HARDWARE_ADDRESS), xid=64, flags=0x8000)
        / DHCP(options=[("message-type", "discover"), ("param_req_list", [1, 3, OPTION]), "end"])
    )
    for _ in range(PATIENCE):
        offer = srp1(discover, iface="lan0", timeout=1, verbose=False, filter=None, multi=False)
        if offer is not None and BOOTP in offer:
            print(option(bytes(offer[BOOTP])).hex())  # noqa: T201 - the answer
            return None
    return "no offer came"


def option(message: bytes) -> bytes:
    """Return the value of the option in a DHCP message (RFC 2131 section 3, RFC 2132 section 2); empty without it."""
    options = message[240:]
    while options and options[0] != 255:
        if options[0] == OPTION:
            return options[2 : 2 + options[1]]
        options = options[2 + options[1] if options[0] else 1 :]
    return b""


if __name__ == "__main__":
    sys.exit(main())
