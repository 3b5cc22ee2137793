"""How a running daemon is asked: the control protocol, its server and client, readiness, the event log."""
