"""NAT64 and DNS64: the gateway of an IPv6-only network.

Arrows point one way: ``commands`` use ``control``, ``device`` and ``dns64``; those use ``siit``; ``siit``
uses ``addressing``; ``config`` is read by ``commands`` and knows only ``addressing``. What decides
(``addressing``, ``siit``, the DNS64 messages, the grammars) does no I/O and takes time as an argument.
"""

__version__ = "0.1.0"
