"""AEDAT 4 through the package ``aedat``, as ``tonic.io.read_aedat4`` does, in a process of its own.

Where a file is damaged, that package does not raise but panics, and may end the process that asks it.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.check import FormatError

COLUMNS = ("t", "x", "y", "on")

CHILD = """
import sys
import aedat
import numpy as np
decoder = aedat.Decoder(sys.argv[1])
streams = sorted(i for i, stream in decoder.id_to_stream().items() if stream["type"] == "events")
if not streams:
    sys.exit("it holds no stream of events")
parts = [packet["events"] for packet in decoder if packet["stream_id"] == streams[0]]
for name in sys.argv[2:]:
    for part in parts:
        sys.stdout.buffer.write(part[name].astype("<i8").tobytes())
"""
"""Writes the columns of the first stream of events, one behind the other."""

TIME_LIMIT_S = 600


def read_aedat4(path: Path) -> dict[str, NDArray[Any]]:
    """The columns of a recording.

    Raises:
        FormatError: the package is not installed, or the file is damaged.
    """
    if find_spec("aedat") is None:
        raise FormatError(f"{path} is read by the package aedat, which is not installed; pip install aedat")
    command = [sys.executable, "-I", "-c", CHILD, str(path.resolve()), *COLUMNS]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise FormatError(f"{path} is not read after {TIME_LIMIT_S} s; split it") from error
    if done.returncode != 0 or len(done.stdout) % (8 * len(COLUMNS)):
        said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        why = said[-1].strip()[:200] if said and done.returncode > 0 else "its reader gave up"
        raise FormatError(f"{path} is damaged or no AEDAT 4 file ({why}); write it again")
    rows = np.frombuffer(done.stdout, "<i8").reshape(len(COLUMNS), -1)
    return {"t": rows[0], "x": rows[1], "y": rows[2], "p": rows[3]}
