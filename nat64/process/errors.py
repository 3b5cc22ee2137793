"""What keeps a daemon from starting, told in one line."""

from __future__ import annotations


class ProcessError(Exception):
    """The system refused something the daemon needs to run; the text is ``what went wrong; what to do``."""
