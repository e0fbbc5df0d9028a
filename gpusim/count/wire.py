"""Messages between gpusim and its worker: a JSON head and raw arrays, on a local socket.

No pickles: what comes back from a process that ran a stranger's kernel is data only.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from typing import Any

_HEAD = struct.Struct("<IQ")
_MAXIMUM_HEAD = 64 << 20


class WireClosedError(Exception):
    """The other side went away."""


class WireTimeoutError(Exception):
    """No complete message arrived in time."""


def send(channel: socket.socket, head: dict[str, Any], body: bytes = b"") -> None:
    """Send one message."""
    text = json.dumps(head, separators=(",", ":")).encode()
    try:
        channel.sendall(_HEAD.pack(len(text), len(body)) + text + body)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise WireClosedError from error


def _exactly(channel: socket.socket, n_bytes: int, deadline: float | None) -> bytes:
    parts: list[bytes] = []
    missing = n_bytes
    while missing:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([channel], [], [], left)[0]:
                raise WireTimeoutError
        try:
            part = channel.recv(min(missing, 1 << 20))
        except ConnectionResetError as error:
            raise WireClosedError from error
        if not part:
            raise WireClosedError
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def receive(channel: socket.socket, seconds: float | None = None) -> tuple[dict[str, Any], bytes]:
    """Receive one message.

    Raises
    ------
    WireClosedError
        The other side closed or died.
    WireTimeoutError
        Nothing complete within `seconds`.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    n_head, n_body = _HEAD.unpack(_exactly(channel, _HEAD.size, deadline))
    if n_head > _MAXIMUM_HEAD:
        raise WireClosedError
    head = json.loads(_exactly(channel, n_head, deadline))
    return head, _exactly(channel, n_body, deadline)
