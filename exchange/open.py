"""Any network file, ours or foreign, by its ending; what only one of them needs is imported for that one."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from pathlib import Path
from typing import Union

from exchange import npz
from ir.check import FormatError
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.pooling import check_pool
from ir.quantized import QuantizedNetwork
from ir.words import meant

AnyNetwork = Union[Network, QuantizedNetwork, MappedNetwork]


def _open_npz(path: Path, as_: str | None, dt_s: float | None) -> AnyNetwork:
    return npz.load(path, (Network, QuantizedNetwork, MappedNetwork))


def _open_nir(path: Path, as_: str | None, dt_s: float | None) -> AnyNetwork:
    from exchange import nir

    return nir.read(path, as_, dt_s)


def _open_onnx(path: Path, as_: str | None, dt_s: float | None) -> AnyNetwork:
    from exchange import onnx

    return onnx.read(path)


def _open_net(path: Path, as_: str | None, dt_s: float | None) -> AnyNetwork:
    from exchange import net

    return net.read(path)


OPENERS: dict[str, Callable[[Path, str | None, float | None], AnyNetwork]] = {
    ".npz": _open_npz,
    ".nir": _open_nir,
    ".onnx": _open_onnx,
    ".net": _open_net,
}
"""What each ending is read with."""


def _write_nir(network: AnyNetwork, path: Path) -> None:
    from exchange import nir

    nir.write(network, path)


def _write_onnx(network: AnyNetwork, path: Path) -> None:
    from exchange import onnx

    onnx.write(network, path)


def _write_net(network: AnyNetwork, path: Path) -> None:
    from exchange import net

    net.write(network, path)


WRITERS: dict[str, Callable[[AnyNetwork, Path], None]] = {"nir": _write_nir, "onnx": _write_onnx, "net": _write_net}
"""``unlayered export --to``."""


def open_network(
    path: str | Path, as_: str | None = None, dt_s: float | None = None, pool: str | None = None
) -> AnyNetwork:
    """Read a network from ``.npz``, ``.nir``, ``.onnx`` or ``.net``; nothing in it is executed.

    Args:
        as_: the framework a NIR file came from, see ``exchange.nir.FRAMEWORKS``; other files need none.
        dt_s: seconds a time step of a NIR file; None = that framework's own.
        pool: ``after`` moves max poolings of a NIR file that stand before their neurons behind them; in ONNX files,
            where they commute with ReLU, they go there unasked.

    Raises:
        FormatError: missing, damaged, unknown ending, or a node without counterpart; one sentence that names the file.
    """
    path = Path(path)
    if path.suffix not in OPENERS:
        raise FormatError(f"{path} ends in {path.suffix or 'nothing'!r}; networks are {', '.join(OPENERS)}")
    if dt_s is not None and not (isinstance(dt_s, Real) and 0 < dt_s < float("inf")):
        raise FormatError(f"--dt is {dt_s!r}; give seconds, more than 0")
    for flag, value in (("--as", as_), ("--dt", dt_s)):
        if value is not None and path.suffix != ".nir":
            raise FormatError(f"{flag} {value} has no meaning for {path.suffix}; only NIR leaves the time step open")
    if as_ is not None:
        from exchange.nir import FRAMEWORKS

        if not isinstance(as_, str) or as_ not in FRAMEWORKS:
            raise FormatError(f"--as {as_} is unknown{meant(as_, FRAMEWORKS)}; use one of {', '.join(FRAMEWORKS)}")
    check_pool(pool)
    if pool is not None and path.suffix == ".nir":
        from exchange import nir

        return nir.read(path, as_, dt_s, pool)
    if pool is not None and path.suffix != ".onnx":
        raise FormatError(f"pool {pool!r} has no meaning for {path.suffix}, which has no max pooling on currents")
    return OPENERS[path.suffix](path, as_, dt_s)
