"""DNS64 (RFC 6147): what decides is sans-IO, and thin adapters carry it to the network.

A client's query goes through `service`, which judges it (`wire`, or `message` for what is not plain; `terms`, `rate_limit`,
`views`), answers it from the `cache`, or has it wait for a `flight`, one of the `flights` under way; the `responder` writes
responses. A flight leads one question to its `answer`: by `plain_first` where replies are plain, else by `resolution`,
`lookup` and `exchange`, with `synthesis`, `reverse` and `ipv4only`.
`ready_answers` stand before all that, for the very same bytes again.

`udp_listener`, `tcp_listeners` and `tls_listeners` do the clients' I/O, `upstream` the forwarders' (`source_ports`,
`streams`, `https`). A `worker` has all of it in a process of its own; `server` has the workers, their sockets
(`listening`, and by `name_steering` which of them a query comes to).
"""
