"""Any network file, ours or foreign, by its ending."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Union

from exchange import net, nir, npz, onnx
from ir.check import FormatError
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.words import meant

AnyNetwork = Union[Network, QuantizedNetwork, MappedNetwork]


def _open_npz(path: Path, as_: str | None, dt_s: float | None) -> AnyNetwork:
    return npz.load(path, (Network, QuantizedNetwork, MappedNetwork))


def _open_nir(path: Path, as_: str | None, dt_s: float | None) -> AnyNetwork:
    return nir.read(path, as_, dt_s)


def _open_onnx(path: Path, as_: str | None, dt_s: float | None) -> AnyNetwork:
    return onnx.read(path)


def _open_net(path: Path, as_: str | None, dt_s: float | None) -> AnyNetwork:
    return net.read(path)


OPENERS: dict[str, Callable[[Path, str | None, float | None], AnyNetwork]] = {
    ".npz": _open_npz,
    ".nir": _open_nir,
    ".onnx": _open_onnx,
    ".net": _open_net,
}
"""What each ending is read with."""

WRITERS: dict[str, Callable[[AnyNetwork, Path], None]] = {"nir": nir.write, "onnx": onnx.write, "net": net.write}
"""``unlayered export --to``."""


def open_network(path: str | Path, as_: str | None = None, dt_s: float | None = None) -> AnyNetwork:
    """Read a network from ``.npz``, ``.nir``, ``.onnx`` or ``.net``; nothing in it is executed.

    Args:
        as_: the framework a NIR file came from, see ``exchange.nir.FRAMEWORKS``; other files need none.
        dt_s: seconds a time step of a NIR file; None = that framework's own.

    Raises:
        FormatError: missing, damaged, unknown ending, or a node without counterpart; one sentence that names the file.
    """
    path = Path(path)
    if path.suffix not in OPENERS:
        raise FormatError(f"{path} ends in {path.suffix or 'nothing'!r}; networks are {', '.join(OPENERS)}")
    if dt_s is not None and not 0 < dt_s < float("inf"):
        raise FormatError(f"--dt is {dt_s}; give seconds, more than 0")
    for flag, value in (("--as", as_), ("--dt", dt_s)):
        if value is not None and path.suffix != ".nir":
            raise FormatError(f"{flag} {value} has no meaning for {path.suffix}; only NIR leaves the time step open")
    if as_ is not None and as_ not in nir.FRAMEWORKS:
        near = meant(as_, nir.FRAMEWORKS)
        raise FormatError(f"--as {as_} is unknown{near}; use one of {', '.join(nir.FRAMEWORKS)}")
    return OPENERS[path.suffix](path, as_, dt_s)
