"""A name server over TLS and HTTPS, to be run inside a namespace: ``encrypted_name_server.py ADDRESS CERTIFICATE``.

Every name has one A record and nothing else. CERTIFICATE is a PEM file with the key in it.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any, Final

import dns.message
import dns.rdatatype
import dns.rrset
from hypercorn.asyncio import serve
from hypercorn.config import Config

TRUE: Final = "192.0.2.33"
PATH: Final = "/dns-query"


def answer(data: bytes) -> bytes:
    query = dns.message.from_wire(data)
    made = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    if question.rdtype == dns.rdatatype.A:
        made.answer.append(dns.rrset.from_text(question.name, 300, "IN", "A", TRUE))
    return made.to_wire()


async def over_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            size = int.from_bytes(await reader.readexactly(2), "big")
            wire = answer(await reader.readexactly(size))
            writer.write(len(wire).to_bytes(2, "big") + wire)
    except (EOFError, OSError):
        writer.close()


async def over_https(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    found = scope["path"] == PATH and scope["http_version"] == "2"
    headers = [(b"content-type", b"application/dns-message")]
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": answer(body)})


async def run(address: str, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    await asyncio.start_server(over_tls, address, 853, ssl=context)
    config = Config()
    config.bind = [f"{address}:443"]
    config.certfile = config.keyfile = certificate
    config.alpn_protocols = ["h2"]
    config.accesslog = config.errorlog = None
    await serve(over_https, config)  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2]))
