"""What the system refuses the CLAT, told in one line."""

from __future__ import annotations

from nat64.process.errors import ProcessError


class ClatError(ProcessError):
    """The system refused something that the CLAT needs."""
