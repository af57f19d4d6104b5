"""Ports of this computer: which are free, and which are in use."""

from __future__ import annotations

import socket
from contextlib import ExitStack

#: The loopback address, the only one that a server listens on.
HOST = "127.0.0.1"


def free_ports(ports: tuple[int, int], *, replace_taken: bool) -> tuple[int, int]:
    """Two ports: those given, but a free one for 0, and with ``replace_taken`` also for a port that is taken."""
    with ExitStack() as open_sockets:  # the first port stays open while the second is chosen
        sockets = [open_sockets.enter_context(socket.socket()) for _ in ports]
        chosen = [
            _bound(own, port) if replace_taken or port == 0 else port
            for own, port in zip(sockets, ports, strict=True)
        ]
    return chosen[0], chosen[1]


def _bound(own: socket.socket, port: int) -> int:
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # like the server: a port that was just closed is free
    try:
        own.bind((HOST, port))
    except OSError:
        own.bind((HOST, 0))
    return int(own.getsockname()[1])


def is_open(port: int) -> bool:
    """Whether some program accepts connections at a port of this computer."""
    with socket.socket() as own:
        own.settimeout(1)
        return own.connect_ex((HOST, port)) == 0
