"""Parse a stranger's file in a process of its own, with limits on memory and time: a crash there is one sentence here.

The process is a fork that reads one file and is gone; what it found comes back as JSON and raw numbers, not as pickle.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ir.check import FormatError

if sys.platform != "win32":
    import resource

CPU_S, WALL_S = 120, 300
"""Seconds of a processor, and on a clock, that a file may take."""

ROOM_BYTES, BYTES_A_BYTE, MOST_BYTES = 256 << 20, 3300, 16 << 30
"""What parsing may take of memory: so much, so much for each of the file's bytes, and no more than so much."""

STATM = "/proc/self/statm"
"""Where Linux says what a process takes."""

CAUGHT = (
    *(OSError, KeyError, RuntimeError, TypeError, AttributeError, MemoryError, OverflowError, ValueError),
    *(IndexError, UnicodeError),
)
"""What libraries raise over a damaged file."""

TREES = Callable[[], dict[str, Any]]
"""Reads a file: nested dictionaries of texts, arrays of numbers and arrays of texts."""


def apart(work: TREES, file_bytes: int) -> dict[str, Any]:
    """What ``work`` returns, done in a child process; in this one where the system is not Linux.

    Raises:
        FormatError: what ``work`` raised of that kind.
        ValueError: likewise.
        OSError: anything else that went wrong, and where the child crashed or went beyond a limit.
    """
    if not sys.platform.startswith("linux"):
        return work()
    there, here = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child needs none of theirs
        pid = os.fork()
    if pid == 0:
        _child(work, here, file_bytes)
    os.close(here)
    try:
        content = _received(there)
    finally:
        os.close(there)
        os.kill(pid, signal.SIGKILL)  # one that has ended waits for us and feels nothing
        _, status = os.waitpid(pid, 0)
    if content is None:
        raise OSError(f"it takes longer than {WALL_S} s to read")
    if os.WIFSIGNALED(status) and not _is_whole(content):
        raise OSError(_said(os.WTERMSIG(status)))
    return _answered(content)


def _said(sign: int) -> str:
    if sign == signal.SIGXCPU:
        return f"it takes longer than {CPU_S} s to read"
    return f"the library that reads it was ended by {signal.Signals(sign).name}"


def _child(work: TREES, here: int, file_bytes: int) -> NoReturn:
    """Do the work, answer, end: without any handler, destructor or flushing of the process it was copied from."""
    try:
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, signal.SIG_DFL)
        _limit(file_bytes)
        try:
            answer = _encoded(work())
        except CAUGHT as error:
            said = str(error) or "it takes more memory than a file of its size may"
            answer = [_head({"error": _kind(error), "said": said})]
        with os.fdopen(here, "wb") as pipe:
            for part in answer:
                pipe.write(part)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _kind(error: BaseException) -> str:
    return "format" if isinstance(error, FormatError) else "value" if isinstance(error, ValueError) else "other"


def _limit(file_bytes: int) -> None:
    """Bound what this process may take from now on."""
    assert sys.platform != "win32"
    pages = int(Path(STATM).read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + min(ROOM_BYTES + BYTES_A_BYTE * file_bytes, MOST_BYTES)
    for limit, value in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, hard))


def _received(there: int) -> bytearray | None:
    """All that the child says; None where that takes too long."""
    content, until = bytearray(), time.monotonic() + WALL_S
    poll = select.poll()
    poll.register(there, select.POLLIN | select.POLLHUP)
    while poll.poll(max(0.0, until - time.monotonic()) * 1e3):
        part = os.read(there, 1 << 20)
        if not part:
            return content
        content += part
    return None


def _head(value: Any) -> bytes:
    said = json.dumps(value).encode()
    return struct.pack("<Q", len(said)) + said


def _encoded(tree: dict[str, Any]) -> list[bytes | memoryview]:
    """A tree as a head in JSON and the bytes of its arrays, in turn."""
    arrays: list[memoryview] = []

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {"tree": {str(name): plain(part) for name, part in value.items()}}
        if isinstance(value, str):
            return {"text": value}
        array = np.asarray(value)
        if array.dtype.kind == "O":
            return {"texts": [str(x) for x in array.reshape(-1)], "shape": array.shape}
        flat: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        arrays.append(memoryview(flat))
        kind: Any = array.dtype.str if array.dtype.names is None else array.dtype.descr
        return {"kind": kind, "shape": array.shape, "bytes": array.nbytes}

    return [_head({"value": plain(tree), "bytes": sum(x.nbytes for x in arrays)}), *arrays]


def _is_whole(content: bytearray) -> bool:
    """Whether an answer came to its end before its sender did."""
    if len(content) < 8 or len(content) < 8 + struct.unpack_from("<Q", content)[0]:
        return False
    size = struct.unpack_from("<Q", content)[0]
    return len(content) == 8 + size + json.loads(content[8 : 8 + size]).get("bytes", 0)


def _answered(content: bytearray) -> dict[str, Any]:
    """The tree that a child has sent, or what it refused."""
    if not _is_whole(content):
        raise OSError("the library that reads it ended without a word")
    size = struct.unpack_from("<Q", content)[0]
    said, at = json.loads(content[8 : 8 + size]), 8 + size
    if "error" in said:
        raise {"format": FormatError, "value": ValueError}.get(said["error"], OSError)(said["said"])

    def built(node: Any) -> Any:
        nonlocal at
        if "tree" in node:
            return {name: built(part) for name, part in node["tree"].items()}
        if "text" in node:
            return node["text"]
        if "texts" in node:
            texts = np.empty(len(node["texts"]), object)
            texts[:] = node["texts"]
            return texts.reshape(node["shape"])
        kind = node["kind"] if isinstance(node["kind"], str) else [tuple(part) for part in node["kind"]]
        dtype: Any = np.dtype(kind)
        array = np.frombuffer(content, dtype, node["bytes"] // max(dtype.itemsize, 1), at)
        at += node["bytes"]
        return array.reshape(node["shape"])

    return built(said["value"])
