"""The grammars of tayga.conf and totd.conf: parse, check, and explain mistakes. No I/O but reading files."""
