"""NAT64 and DNS64: the gateway of an IPv6-only network.

Arrows point one way: ``commands`` use ``control``, ``process``, ``device`` and ``dns64``; ``device`` uses
``siit``; ``siit`` uses ``addressing``. What decides (``addressing``, ``siit``, the DNS64 messages, the
grammars of ``config``) does no I/O and takes time as an argument.
"""

__version__ = "0.1.0"
