"""DNS64 (RFC 6147): what decides is sans-IO, and thin asyncio adapters carry it to the network.

`service` judges a client's message, `resolution` leads one query to its answer with `exchange` (one question
to the forwarders), `synthesis`, `reverse` and `ipv4only`; `response` writes it down. `server` and the modules
it uses (`sockets`, `udp_listener`, `tcp_listeners`, `upstream`, `interfaces`) do the I/O.
"""
