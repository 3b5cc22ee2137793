"""What a host's `/etc/network/interfaces` says, in the formats of other network configurations.

The topology describes each host once, for ifupdown. A gateway whose platform has netifrc or systemd-networkd gets
the same from here. Understood is what the lab's hosts use: addresses with their length, gateways, accept_ra and
dad-attempts; the rest is refused, so that no host is set up by half.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.errors import LabError


@dataclass(slots=True)
class Interface:
    """One interface that is set up at boot."""

    name: str
    addresses: list[str] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)
    accept_ra: bool = True
    """Whether the kernel takes addresses and routes from router advertisements, as it does by default."""
    detect_duplicates: bool = True


def parse(text: str) -> list[Interface]:
    """Read interfaces(5); raise LabError for a line that has no counterpart elsewhere."""
    interfaces: dict[str, Interface] = {}
    current: Interface | None = None
    for line in text.splitlines():
        match line.split("#", 1)[0].split():
            case [] | ["auto", *_]:
                continue
            case ["iface", _, "inet" | "inet6", "loopback"]:
                current = None
            case ["iface", name, "inet" | "inet6", "static" | "manual"]:
                current = interfaces.setdefault(name, Interface(name))
            case ["address", address] if current and "/" in address:
                current.addresses.append(address)
            case ["gateway", address] if current:
                current.gateways.append(address)
            case ["accept_ra", value] if current:
                current.accept_ra = value != "0"
            case ["dad-attempts", count] if current:
                current.detect_duplicates = count != "0"
            case _:
                raise LabError(
                    f"/etc/network/interfaces: {line.strip()!r} has no counterpart for this gateway;"
                    " use a gateway with ifupdown"
                )
    return list(interfaces.values())


def netifrc(interfaces: list[Interface]) -> Iterator[tuple[str, str]]:
    """Files for netifrc, with their paths; the services net.NAME are the caller's."""
    lines = ["# Written by the lab. The format: /usr/share/doc/netifrc*/net.example on a Gentoo host."]
    for interface in interfaces:
        addresses = "\n".join(interface.addresses) or "null"
        lines.append(f'config_{interface.name}="{addresses}"')
        if interface.gateways:
            routes = "\n".join(f"default via {gateway}" for gateway in interface.gateways)
            lines.append(f'routes_{interface.name}="{routes}"')
    yield "etc/conf.d/net", "\n".join(lines) + "\n"
    yield "etc/sysctl.d/10-interfaces.conf", "".join(_sysctls(interfaces))


def _sysctls(interfaces: list[Interface]) -> Iterator[str]:
    for interface in interfaces:
        if not interface.accept_ra:
            yield f"net.ipv6.conf.{interface.name}.accept_ra = 0\n"
        if not interface.detect_duplicates:
            yield f"net.ipv6.conf.{interface.name}.accept_dad = 0\n"


def networkd(interfaces: list[Interface]) -> Iterator[tuple[str, str]]:
    """Files for systemd-networkd, with their paths."""
    for interface in interfaces:
        lines = ["# Written by the lab.", "[Match]", f"Name={interface.name}", "", "[Network]"]
        lines.append(f"IPv6AcceptRA={'yes' if interface.accept_ra else 'no'}")
        if not interface.detect_duplicates:
            lines.append("IPv6DuplicateAddressDetection=0")
        lines += [f"Address={address}" for address in interface.addresses]
        lines += [f"Gateway={gateway}" for gateway in interface.gateways]
        yield f"etc/systemd/network/10-{interface.name}.network", "\n".join(lines) + "\n"
