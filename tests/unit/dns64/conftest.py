"""A DNS64 service without a network: dnspython makes the queries and the forwarders' replies, and reads ours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from nat64.config.dns64_config import CacheSettings
from nat64.config.totd import parse
from nat64.dns64.flights import Later
from nat64.dns64.service import Service
from nat64.dns64.transport import Transport
from tests.unit.dns64.certificates import make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nat64.config.dns64_config import Dns64Config
    from nat64.dns64.exchange import Ask
    from nat64.dns64.flight import Flight

CONFIG = """
forwarder 192.0.2.53
prefix 2001:db8:64::/96
allow-query 2001:db8::/32
"""
CLIENT = "2001:db8::c"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a forwarder says to one question."""

    answer: tuple[str, ...] = ()
    authority: tuple[str, ...] = ()
    additional: tuple[str, ...] = ()
    rcode: str = "NOERROR"
    flags: str = "QR RD RA"
    options: tuple[dns.edns.Option, ...] = ()

    def to_wire(self, question: bytes) -> bytes:
        query = dns.message.from_wire(question)
        reply = dns.message.make_response(query)
        reply.flags = dns.flags.from_text(self.flags)
        reply.set_rcode(dns.rcode.from_text(self.rcode))
        for section, lines in (
            (reply.answer, self.answer),
            (reply.authority, self.authority),
            (reply.additional, self.additional),
        ):
            for line in lines:
                name, ttl, rdclass, rdtype, rdata = line.split(None, 4)
                section.append(dns.rrset.from_text(name, int(ttl), rdclass, rdtype, rdata))
        if self.options:
            reply.use_edns(0, options=list(self.options))
        return reply.to_wire(max_size=65535)


Zone = dict[tuple[str, str], Reply | None]


@dataclass(slots=True)
class Lab:
    """A service, and what its forwarders know: ``None`` for a question means silence."""

    service: Service
    zone: Zone = field(default_factory=dict)
    now: float = 1000.0
    caching: bool = False
    """Whether answers are kept, as the config says."""
    own: dict[str, Zone] = field(default_factory=dict)
    """What a forwarder answers by itself, by its address; everything else it answers from `zone`."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """What went to forwarders: (address, name, type)."""
    dead: set[str] = field(default_factory=set)
    """Forwarders whose port is closed."""
    mute: set[str] = field(default_factory=set)
    """Forwarders that never say anything."""
    without_edns: set[str] = field(default_factory=set)
    """Forwarders that answer FORMERR to a query with an OPT record."""

    def reload(self, config: str | Dns64Config) -> None:
        """Serve by another config, written out or made."""
        parsed = parse(config, "dns64.conf") if isinstance(config, str) else config
        if not self.caching:
            parsed = replace(parsed, cache=CacheSettings(size=0))
        self.service.configure(parsed)
        self.service.allow(parsed.allow_query)

    def send(self, data: bytes, host: str = CLIENT, *, tcp: bool = False) -> bytes | None:
        """Put bytes to the service and run the clock until it has answered."""
        responses: list[bytes] = []
        result = self.put(data, responses.append, host, tcp=tcp)
        if not isinstance(result, Later):
            self.run()
            return result
        self.run()
        (response,) = responses
        return response

    def put(
        self, data: bytes, deliver: Callable[[bytes], None], host: str = CLIENT, *, tcp: bool = False
    ) -> bytes | Later | None:
        """Put bytes to the service, and do nothing further."""
        transport = Transport.TCP if tcp else Transport.UDP
        return self.service.message_received(data, host, transport=transport, now=self.now, deliver=deliver)

    def set_out(self, data: bytes, host: str = CLIENT, now: float | None = None) -> Flight:
        """Put a query that needs forwarders to the service, and return what is to be pursued."""
        self.now = self.now if now is None else now
        assert isinstance(self.put(data, lambda _: None, host), Later)
        (flight,) = self.service.flights_to_begin()
        return flight

    def run(self) -> None:
        """Serve what the service asks of forwarders, and run the clock, until all that was begun is done."""
        for flight in self.service.flights_to_begin():
            while not flight.done:
                asks = flight.asks_to_send()
                for ask in asks:
                    self._serve(ask, flight)
                if not asks:
                    self.now = max(self.now, flight.timer)
                    flight.handle_timer(self.now)

    def ask(
        self,
        name: str,
        rdtype: str = "AAAA",
        *,
        host: str = CLIENT,
        flags: str = "",
        tcp: bool = False,
        **options: object,
    ) -> dns.message.Message:
        """Ask a question, perhaps with more flags, and return the response as dnspython reads it."""
        query = dns.message.make_query(name, rdtype, **options)  # type: ignore[arg-type]
        query.flags |= dns.flags.from_text(flags)
        data = self.send(query.to_wire(), host, tcp=tcp)
        assert data is not None
        response = dns.message.from_wire(data)
        assert query.is_response(response)
        return response

    def _serve(self, ask: Ask, flight: Flight) -> None:
        wire = ask.data
        question = dns.message.from_wire(wire).question[0]
        forwarder = str(ask.forwarder.endpoint.address)
        self.asked.append((forwarder, str(question.name).lower(), question.rdtype.name))
        if forwarder in self.dead:
            flight.ask_failed(ask, self.now)
            return
        key = (str(question.name).lower(), question.rdtype.name)
        own = self.own.get(forwarder, {})
        reply = own[key] if key in own else self.zone[key]
        if reply is None or forwarder in self.mute:
            return
        if forwarder in self.without_edns and ask.edns:
            reply = Reply(rcode="FORMERR")
        data = reply.to_wire(wire)
        if "TC" in reply.flags and ask.tcp:
            data = self.zone[str(question.name).lower(), "TCP"].to_wire(wire)  # type: ignore[union-attr]
        flight.reply_received(ask, data, self.now)


@pytest.fixture
def lab() -> Callable[..., Lab]:
    """Make a `Lab` from a zone and perhaps another config."""

    def make(
        zone: Mapping[tuple[str, str], Reply | None] | None = None,
        config: str | Dns64Config = CONFIG,
        *,
        caching: bool = False,
    ) -> Lab:
        ids = count(1)
        dns64 = Lab(Service(random_id=lambda: next(ids)), dict(zone or {}), caching=caching)
        dns64.reload(config)
        return dns64

    return make


@pytest.fixture
def config() -> Callable[..., Dns64Config]:
    """Make a config from a text, with changes to what holds for clients in no view, and with views.

    A view is given as what it changes of that.
    """

    def make(text: str = CONFIG, *views: Mapping[str, object], **changes: object) -> Dns64Config:
        parsed = parse(text, "dns64.conf")
        default = replace(parsed.default, **changes)  # type: ignore[arg-type]
        made = tuple(replace(default, **view) for view in views)  # type: ignore[arg-type]
        return replace(parsed, default=default, views=made)

    return make


@pytest.fixture
def reply() -> type[Reply]:
    """Give the maker of forwarders' replies."""
    return Reply


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a self-signed certificate for dns.example, with its key, and have this host trust it."""
    path = tmp_path / "certificate.pem"
    make_certificate(path, "dns.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path
