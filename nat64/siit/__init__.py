"""Stateless IP/ICMP translation, RFC 7915, without I/O: a packet goes in, the packets to send come out.

`translator.Translator` is the way in. The other modules each hold one subject of it.
"""
