"""Small recordings, and folders of them, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

EVENT = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
"""tonic's dtype."""

SMALL = {"sensor": [8, 8, 2], "n_steps": 5}
"""Options that leave nothing of ``events`` open."""


def events(seed: int, n: int = 200, side: int = 8, us: int = 50_000) -> NDArray[Any]:
    """Random events in order of time, the last one in the corner of the sensor and at the end."""
    rng = np.random.default_rng(seed)
    made = np.zeros(n, EVENT)
    for name in ("x", "y"):
        made[name] = rng.integers(0, side, n)
    made["t"] = np.sort(rng.integers(0, us, n))
    made["p"] = rng.integers(0, 2, n)
    made[-1] = (side - 1, side - 1, us - 1, True)
    return made


def striped(label: int, seed: int, side: int = 8) -> NDArray[Any]:
    """Events of which a class is easily told: a column of its own."""
    made = events(seed, side=side)
    made["x"][:-1] = (made["x"][:-1] % 2) + 2 * label
    return made


def write(path: Path, made: NDArray[Any]) -> None:
    """Write events in the form that the ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, made)
    elif path.suffix == ".npz":
        np.savez_compressed(path, **{name: made[name] for name in made.dtype.names})
    elif path.suffix in (".h5", ".hdf5"):
        with h5py.File(path, "w") as file:
            for name in made.dtype.names:
                file.create_dataset(f"events/{name}", data=made[name].astype(np.int64), compression="gzip")
    elif path.suffix == ".bin":
        t = made["t"].astype(np.int64)
        rows = [made["x"], made["y"], made["p"].astype(np.int64) * 128 + (t >> 16), (t >> 8) & 255, t & 255]
        path.write_bytes(np.stack(rows, 1).astype(np.uint8).tobytes())
    else:
        path.write_bytes(aedat2(made))


def aedat2(made: NDArray[Any]) -> bytes:
    """A DVS 128 recording of jAER."""
    rows = np.zeros(len(made), np.dtype([("address", ">u4"), ("t", ">u4")]))
    x, y, p = (made[name].astype(np.uint32) for name in ("x", "y", "p"))
    rows["address"], rows["t"] = (x << 8) | (y << 1) | p, made["t"]
    return b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n" + rows.tobytes()


def aedat3(made: NDArray[Any], size: int = 100) -> bytes:
    """Polarity events of AEDAT 3.1 in packets."""
    parts = [b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n"]
    for begin in range(0, len(made), size):
        piece = made[begin : begin + size]
        head = (
            np.array([1, 0], "<u2").tobytes() + np.array([8, 4, 0, len(piece), len(piece), len(piece)], "<u4").tobytes()
        )
        x, y, p = (piece[name].astype(np.uint32) for name in ("x", "y", "p"))
        rows = np.stack([(x << 17) | (y << 2) | (p << 1) | 1, piece["t"].astype(np.uint32)], 1).astype("<u4")
        parts += [head, rows.tobytes()]
    return b"".join(parts)


def folder(
    path: Path, ending: str = ".npy", n: int = 4, classes: tuple[str, ...] = ("left", "middle", "right")
) -> Path:
    """``path`` with a train and a test part, one subfolder a class."""
    for part in ("train", "test"):
        for label, name in enumerate(classes):
            for i in range(n):
                write(
                    path / part / name / f"{i}{ending}", striped(label, 100 * label + i + (50 if part == "test" else 0))
                )
    return path
