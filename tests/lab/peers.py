"""Programs at the two ends of a lab's network, over Linux's own stacks, and what they exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.lab.gateway_network import SERVER, SERVER6

if TYPE_CHECKING:
    import subprocess

    from tests.lab.gateway_network import GatewayNetwork
    from tests.lab.namespaces import Namespace

# Sends and receives a known stream over one connection, and prints the digest of what came.
TCP_PEER: Final = """
import hashlib, socket, sys, threading
role, address, octets = sys.argv[1], sys.argv[2], int(sys.argv[3])
stream = hashlib.shake_256(role.encode()).digest(octets)
if role == "server":
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 8000), family=family)
    print("listening", flush=True)
    connection, _ = listener.accept()
else:
    connection = socket.create_connection((address, 8000), timeout=60)
def send():
    connection.sendall(stream)
    connection.shutdown(socket.SHUT_WR)
sender = threading.Thread(target=send)
sender.start()
digest = hashlib.sha256()
while data := connection.recv(1 << 16):
    digest.update(data)
sender.join()
other = {"server": "client", "client": "server"}[role]
expected = hashlib.sha256(hashlib.shake_256(other.encode()).digest(octets)).hexdigest()
print("right" if digest.hexdigest() == expected else "wrong", flush=True)
"""

# Answers each datagram with itself.
UDP_ECHO: Final = """
import socket, sys
channel = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
channel.bind((sys.argv[1], 9000))
print("listening", flush=True)
while True:
    data, peer = channel.recvfrom(65535)
    channel.sendto(data, peer)
"""

UDP_ASK: Final = """
import os, socket, sys
address, octets = sys.argv[1], int(sys.argv[2])
channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
channel.settimeout(5)
data = os.urandom(octets)
for _ in range(4):  # the first answer may be lost to path MTU discovery: Linux sends UDP with DF
    channel.sendto(data, (address, 9000))
    try:
        print("right" if channel.recv(65535) == data else "wrong")
        break
    except TimeoutError:
        pass
"""


def listen(namespace: Namespace, script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python script and wait until it listens."""
    peer = namespace.popen("python3", "-c", script, *arguments)
    assert peer.stdout is not None
    assert peer.stdout.readline() == "listening\n", peer.stderr and peer.stderr.read()
    return peer


def transfer(network: GatewayNetwork, octets: int = 2_000_000) -> None:
    """Send a stream each way over one TCP connection; both must arrive as they were."""
    server = listen(network.server, TCP_PEER, "server", SERVER, str(octets))
    client = network.client.python(TCP_PEER, "client", SERVER6, str(octets))
    assert client.stdout == "right\n"
    assert server.stdout is not None
    assert server.stdout.readline() == "right\n"
