"""Length and checksum of what a JSON file of ours says, so that a flipped byte or a lost row is no other result."""

from __future__ import annotations

import json
import zlib
from typing import Any


def seal(value: Any) -> str:
    """Length and CRC-32 of a plain value, written without spaces and with sorted keys: ``"412:0f3a99c1"``.

    However a file is laid out, what it says has one seal.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return f"{len(text)}:{zlib.crc32(text):08x}"
