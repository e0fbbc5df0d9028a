"""The child process in which LLVM works on a stranger's module.

LLVM may abort, explode or never end on a module made to do so; the parent then kills this process
and reports an error. Messages are a length, a JSON head and a payload, both ways.
"""

from __future__ import annotations

import dataclasses
import json
import os
import struct
import sys
from typing import Any, BinaryIO

from gpusim.errors import CompileError

_LENGTHS = struct.Struct("<QQ")
_MESSAGE_LIMIT_BYTES = 1 << 30


def send(stream: BinaryIO, head: dict[str, Any], payload: bytes = b"") -> None:
    """Write one message."""
    text = json.dumps(head).encode()
    stream.write(_LENGTHS.pack(len(text), len(payload)))
    stream.write(text)
    stream.write(payload)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Read one message; None at the end of the stream."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    n_text, n_payload = _LENGTHS.unpack(lengths)
    if n_text + n_payload > _MESSAGE_LIMIT_BYTES:
        return None
    text, payload = stream.read(n_text), stream.read(n_payload)
    if len(text) < n_text or len(payload) < n_payload:
        return None
    return json.loads(text), payload


def _list_kernels(payload: bytes, where: str) -> tuple[dict[str, Any], bytes]:
    from gpusim.compiler.program_text import ProgramText

    program = ProgramText(payload.decode("utf-8", "replace"), where=where)
    kernels = [
        {
            "name": kernel.name,
            "parameters": [dataclasses.astuple(item) for item in kernel.parameters],
            "required_local_size": kernel.required_local_size,
        }
        for kernel in program.kernels()
    ]
    return {"kernels": kernels}, b""


def _compile(payload: bytes, head: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from gpusim.compiler.extract import kernel_from_module, kernel_from_program
    from gpusim.compiler.packing import pack_kernel

    if head["task"] == "bitcode":
        kernel = kernel_from_module(payload, head["kernel"], where=head["where"])
    else:
        text = payload.decode("utf-8", "replace")
        kernel = kernel_from_program(text, head["kernel"], where=head["where"])
    return {}, pack_kernel(
        kernel, pipeline=head["pipeline"], key=head["key"], source_lines=head["source"]
    )


def _answer(head: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        if head["task"] == "list":
            return _list_kernels(payload, head["where"])
        if head["task"] == "ptx":
            from gpusim.compiler.ptx import emit_ptx

            text = payload.decode("utf-8", "replace")
            return {}, emit_ptx(text, head["kernel"], head["arch"], where=head["where"]).encode()
        return _compile(payload, head)
    except CompileError as error:
        return {"error": str(error)}, b""


def main() -> None:
    """Answer messages until the parent closes the pipe."""
    requests = sys.stdin.buffer
    # Whatever LLVM prints goes to stderr; the pipe is for messages only.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.setrecursionlimit(10_000)
    # While the parent runs clang; a request would otherwise wait for it.
    from gpusim.compiler.normalise import load_llvm

    load_llvm()
    while (message := receive(requests)) is not None:
        head, payload = _answer(*message)
        send(replies, head, payload)


if __name__ == "__main__":
    main()
