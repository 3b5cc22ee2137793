"""How a running daemon is asked: the control protocol, its server and its client."""
