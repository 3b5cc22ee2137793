"""dns64d behind its client and before Unbound and BIND, one daemon for each of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import dns.message

from tests.lab import name_servers
from tests.lab.asker import Asker
from tests.lab.dns64_daemon import dns64d
from tests.lab.namespaces import link, namespaces, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENT: Final = "2001:db8:64:1::c"
ADDRESSES: Final = {"unbound": "2001:db8:64:1::1", "bind": "2001:db8:64:1::2"}
"""Where dns64d listens, by the resolver that is its forwarder."""
CONFIG: Final = """
forwarder 127.0.0.1 port {port} {words}
prefix 2001:db8:64:ff9b::/96
listen {address}
allow-query 2001:db8:64:1::/64
control-socket none
"""
SYNTHESIZED: Final = "2001:db8:64:ff9b::c000:2{:02x}".format
"""Give the address that stands for the host of that number in 192.0.2.0/24."""


@dataclass(frozen=True, slots=True)
class Dns64:
    """A dns64d as its client sees it."""

    asker: Asker
    address: str

    def ask(self, name: str, rdtype: str = "AAAA", **options: Any) -> dns.message.Message:  # noqa: ANN401 - passed on
        """Ask as `Asker.ask` does."""
        return self.asker.ask(self.address, name, rdtype, **options)


def data(response: dns.message.Message) -> list[str]:
    """Return what the records of the answer say, those of one owner and type in order of their text."""
    return [text for rrset in response.answer for text in sorted(str(rdata) for rdata in rrset)]


@contextlib.contextmanager
def before_resolvers(directory: Path, words: str = "") -> Iterator[dict[str, Dns64]]:
    """Start all servers and a dns64d for each resolver, with more `words` in its line `forwarder`."""
    with contextlib.ExitStack() as stack:
        client, gateway = stack.enter_context(namespaces("client", "gateway"))
        link(client, "lan0", gateway, "lan0")
        client.run("ip", "address", "add", f"{CLIENT}/64", "dev", "lan0")
        for address in ADDRESSES.values():
            gateway.run("ip", "address", "add", f"{address}/64", "dev", "lan0")
        servers = directory / "servers"
        servers.mkdir()
        name_servers.start(gateway, servers)
        asker = Asker(client)
        for resolver, address in ADDRESSES.items():
            config = CONFIG.format(port=name_servers.RESOLVERS[resolver], words=words, address=address)
            stack.enter_context(dns64d(gateway, directory / resolver, config))
            for name in ("alias.example.", "v4.signed.example."):
                wait_until(partial(_resolves, asker, address, name), f"{resolver} to resolve {name}")
        yield {resolver: Dns64(asker, address) for resolver, address in ADDRESSES.items()}


def _resolves(asker: Asker, address: str, name: str) -> bool:
    response = asker.send(address, dns.message.make_query(name, "A"))
    return response is not None and bool(data(response))
