"""A trace that need not fit memory: a folder ``NAME.pieces`` with some samples a piece, in formats that anyone reads.

``trace.json`` says how many pieces there are, and of each file its length and CRC-32. Of piece 12 its spikes are
``00012.spikes.parquet``, states at the end of each time step ``00012.v.npy``, ..., and all else, as a trace without
spikes, is ``00012.rest.npz``. ``exchange.pieces_out`` writes it.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from exchange import npz
from exchange.npy import read_header, size_of
from exchange.parquet import spikes_of
from exchange.plain import check_readable, newer
from exchange.seal import seal
from ir.check import FormatError
from ir.trace import Trace
from ir.trace_parts import check_alike, join

ENDING, HEAD = ".pieces", "trace.json"
FORMAT, VERSION = "unlayered pieces", 1
REST, SPIKES = "rest.npz", "spikes.parquet"
MAX_HEAD_BYTES, MAX_PIECES, MAX_PIECE_BYTES, MAX_WHOLE_BYTES = 64 << 20, 99_999, 4 << 30, 2 << 30
STATE = re.compile(r"[A-Za-z0-9_]{1,64}")
"""Names of states that are names of files, too."""


class Piece(NamedTuple):
    """What ``trace.json`` says of a piece: its samples, and of each file length and CRC-32."""

    samples: int
    files: dict[str, str]


def in_pieces(path: Path) -> bool:
    """Whether a name is that of a folder of pieces."""
    return path.suffix == ENDING


def name_of(i: int, name: str) -> str:
    """A file of piece ``i``."""
    return f"{i:05d}.{name}"


def sealed(content: bytes | memoryview) -> str:
    """Length and CRC-32 of a file: ``"412:0f3a99c1"``."""
    return f"{len(content)}:{zlib.crc32(content):08x}"


@dataclass(frozen=True, eq=False)
class Pieces:
    """A trace in pieces, of which one is read at a time."""

    path: Path
    pieces: tuple[Piece, ...]
    _rests: list[Trace] = field(default_factory=list[Trace], repr=False)

    def piece(self, i: int) -> Trace:
        """Some samples, with spikes and states.

        Raises:
            FormatError: a file of it is missing, damaged, or does not belong to the others; names it.
        """
        files = self.pieces[i].files
        rest = self._rest(i)
        found: dict[str, Any] = {"states": {}}
        name = REST
        try:
            for name in files:
                if name == SPIKES:
                    found["spikes"] = spikes_of(self._content(i, name))
                elif name != REST:
                    found["states"][name.removesuffix(".npy")] = _array(self._content(i, name))
            return replace(rest, **found)
        except FormatError as error:
            raise FormatError(f"{self.path / name_of(i, name)}: {error}") from error
        except ValueError as error:
            raise FormatError(f"{self.path}, piece {i}: {error}") from error

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def rest(self) -> Trace:
        """All samples without spikes and states.

        Raises:
            FormatError: a piece is damaged, or is not of the run of the first.
        """
        if self._rests:
            return self._rests[0]
        parts: list[Trace] = []
        for i in range(len(self)):
            parts.append(self._rest(i))
            try:
                check_alike((parts[0], parts[-1]))
            except ValueError as error:
                raise FormatError(f"{self.path / name_of(i, REST)}: {error}") from error
        try:
            self._rests.append(join(parts))
        except ValueError as error:
            raise FormatError(f"{self.path}: {error}") from error
        return self._rests[0]

    @property
    def ends(self) -> list[int]:
        """Behind the last sample of each piece, counted from the first piece's first."""
        return list(accumulate(piece.samples for piece in self.pieces))

    def whole(self) -> Trace:
        """All of it, in memory.

        Raises:
            FormatError: it takes more than ``MAX_WHOLE_BYTES`` on disk.
        """
        if self.n_bytes > MAX_WHOLE_BYTES:
            raise FormatError(
                f"{self.path} takes {self.n_bytes} bytes, more than {MAX_WHOLE_BYTES} are held in memory at once; "
                "run fewer samples for this, or compare pieces with pieces"
            )
        parts = [self.piece(i) for i in range(len(self))]
        try:
            return join(parts)
        except ValueError as error:
            raise FormatError(f"{self.path}: {error}") from error

    @property
    def n_bytes(self) -> int:
        """What spikes and states take on disk."""
        return sum(int(said.partition(":")[0]) for piece in self.pieces for said in piece.files.values())

    def _rest(self, i: int) -> Trace:
        self._content(i, REST)
        rest = npz.load(self.path / name_of(i, REST), Trace)
        if len(rest.sample_ids) != self.pieces[i].samples or rest.spikes is not None or rest.states:
            raise FormatError(f"{self.path / name_of(i, REST)} is not what {HEAD} says; write the trace again")
        return rest

    def _content(self, i: int, name: str) -> bytes:
        path = self.path / name_of(i, name)
        if path.is_symlink():
            raise FormatError(f"{path} is a link; pieces lie in their folder")
        check_readable(path)
        said = self.pieces[i].files[name]
        try:
            if path.stat().st_size != int(said.partition(":")[0]):
                raise FormatError(f"{path} is cut off or was changed; write the trace again")
            content = path.read_bytes()
        except OSError as error:
            raise FormatError(f"{path} cannot be read: {error.strerror or error}") from error
        if sealed(content) != said:
            raise FormatError(f"{path} is damaged: its checksum is another; write the trace again")
        return content


def _array(content: bytes) -> NDArray[Any]:
    file = io.BytesIO(content)
    shape, columns_first, dtype = read_header(file)
    if columns_first or size_of(shape, dtype) != len(content) - file.tell():
        raise FormatError(f"it declares shape {shape} of {dtype} and holds {len(content) - file.tell()} bytes")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape)


def open_pieces(path: str | Path) -> Pieces:
    """Open a trace in pieces; of its pieces nothing is read yet.

    Raises:
        FormatError: no such folder, or its ``trace.json`` is damaged or a later release's.
    """
    path = Path(path)
    if path.is_dir() and not (path / HEAD).exists():
        raise FormatError(f"{path} holds no {HEAD}; name a folder that `unlayered run --out NAME{ENDING}` wrote")
    head = path / HEAD if path.is_dir() else path
    check_readable(head)
    if not path.is_dir() or head.stat().st_size > MAX_HEAD_BYTES:
        raise FormatError(f"{path} is no folder with pieces of a trace")
    try:
        value = json.loads(head.read_bytes())
    except OSError as error:
        raise FormatError(f"{head} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{head} is damaged; write the trace again") from error
    return Pieces(path, _said(head, value))


def _said(head: Path, value: Any) -> tuple[Piece, ...]:
    """The pieces that a ``trace.json`` lists."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise FormatError(f"{head} is none of unlayered's; write the trace again")
    version = value.get("version")
    if type(version) is not int or not 0 < version <= VERSION:
        raise FormatError(f"{head} {newer(version, VERSION)}")
    said = {name: part for name, part in value.items() if name != "seal"}
    pieces = value.get("pieces")
    if value.get("seal") != seal(said) or not isinstance(pieces, list) or not 0 < len(pieces) <= MAX_PIECES:
        raise FormatError(f"{head} is damaged: its checksum is another; write the trace again")
    return tuple(_piece(head, i, entry) for i, entry in enumerate(pieces))


def _piece(head: Path, i: int, entry: Any) -> Piece:
    files: Any = entry.get("files") if isinstance(entry, dict) else None
    samples: Any = entry.get("samples") if isinstance(entry, dict) else None
    sound = isinstance(files, dict) and type(samples) is int and samples >= 0 and REST in files
    if not sound or not all(_is_file(name) and _is_seal(said) for name, said in files.items()):
        raise FormatError(f"{head} says of piece {i} what no piece has; write the trace again")
    return Piece(samples, {str(name): str(said) for name, said in files.items()})


def _is_file(name: str) -> bool:
    return name in (REST, SPIKES) or (name.endswith(".npy") and bool(STATE.fullmatch(name.removesuffix(".npy"))))


def _is_seal(said: Any) -> bool:
    found = re.fullmatch(r"([0-9]{1,15}):[0-9a-f]{8}", said) if isinstance(said, str) else None
    return found is not None and int(found[1]) <= MAX_PIECE_BYTES
