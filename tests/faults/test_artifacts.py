"""What we wrote comes back as it was or not at all: versions, lengths and checksums of every kind of file."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exchange import npz
from ir.check import FormatError
from tests.faults.artifacts import ARTIFACTS, flipped, truncated

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "60"))

kinds = pytest.mark.parametrize("kind", ARTIFACTS)


def outcome(kind: str, path: Path) -> Any:
    """What is read, or that it is refused by a sentence which names the file."""
    try:
        return ARTIFACTS[kind][1](path)
    except FormatError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return FormatError


@kinds
@pytest.mark.parametrize("spoil", [flipped, truncated], ids=["a flipped bit", "a lost end"])
def test_spoilt_bytes_are_refused_or_change_nothing(kind: str, spoil: Callable[..., bytes], tmp_path: Path):
    path = ARTIFACTS[kind][0](tmp_path)
    sound, content = outcome(kind, path), path.read_bytes()
    assert sound is not FormatError
    rng, refused = np.random.default_rng(len(kind)), 0
    for _ in range(DRAWS):
        path.write_bytes(spoil(content, rng))
        found = outcome(kind, path)
        assert found is FormatError or found == sound
        refused += found is FormatError
    assert refused > DRAWS // 4


def checksums(content: bytes) -> dict[str, int]:
    """Where the checksum of each member of a zip file stands: in its list of members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        at, found = archive.start_dir, {}
        for info in archive.infolist():
            found[info.filename] = at + 16
            at += 46 + sum(struct.unpack_from("<HHH", content, at + 28))
        return found


@pytest.mark.parametrize("kind", [kind for kind in ARTIFACTS if kind not in ("configuration", "history", "sweep")])
def test_the_checksum_of_every_member_is_looked_at(kind: str, tmp_path: Path):
    path = ARTIFACTS[kind][0](tmp_path)
    content = path.read_bytes()
    for name, at in checksums(content).items():
        spoilt = bytearray(content)
        spoilt[at] ^= 16
        path.write_bytes(bytes(spoilt))
        assert outcome(kind, path) is FormatError, name


def with_header(path: Path, **changes: Any) -> None:
    """Rewrite the header of one of our .npz files."""
    with np.load(path) as archive:
        arrays = dict(archive)
    header = {**json.loads(arrays[npz.HEADER].tobytes()), **changes}
    arrays[npz.HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez_compressed(path, **arrays)


def with_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def of_version(kind: str, path: Path, later: bool) -> None:
    """Make a file one of a later release, or of the first one that wrote such files."""
    if path.suffix == ".npz":
        with_header(path, version=npz.VERSION + 1 if later else 1)
    elif path.suffix == ".pt":
        content = torch.load(path, weights_only=True)
        number = content.pop("format")
        torch.save({**content, "format": number + 1} if later else content, path)
    elif later:
        config = path.with_name("config.json") if path.name == "metrics.json" else path
        with_json(config, format="unlayered sweep 2" if kind == "sweep" else 2)
    else:
        for file in path.parent.glob("*.json"):
            value = json.loads(file.read_text())
            if isinstance(value, dict):
                drop = ("seal",) if kind == "sweep" else ("seals", "format")
                file.write_text(json.dumps({name: part for name, part in value.items() if name not in drop}))


@kinds
def test_a_file_of_a_later_release_says_update(kind: str, tmp_path: Path):
    path = ARTIFACTS[kind][0](tmp_path)
    of_version(kind, path, later=True)
    with pytest.raises(FormatError, match=r"version .* this release reads up to \d+; update unlayered"):
        ARTIFACTS[kind][1](path)


@kinds
def test_a_file_of_an_earlier_release_is_read(kind: str, tmp_path: Path):
    path = ARTIFACTS[kind][0](tmp_path)
    sound = ARTIFACTS[kind][1](path)
    of_version(kind, path, later=False)
    assert ARTIFACTS[kind][1](path) == sound


def test_a_history_is_whole_where_a_kill_came_before_it_was_written(tmp_path: Path):
    """config.json names the seal of the history before, too."""
    from dataclasses import replace

    from exchange.train_files import read_history
    from tests.trainer.test_fit import CONFIG, toy
    from trainer.fit import train

    train(replace(CONFIG, epochs=1), tmp_path, stimulus=toy())
    before = (tmp_path / "metrics.json").read_bytes()
    train(replace(CONFIG, epochs=2), tmp_path, resume=True, stimulus=toy())
    assert len(read_history(tmp_path)) == 2
    (tmp_path / "metrics.json").write_bytes(before)
    assert len(read_history(tmp_path)) == 1
    (tmp_path / "metrics.json").write_bytes(before.replace(b'"epoch": 0', b'"epoch": 1'))
    with pytest.raises(FormatError, match=r"metrics.json is damaged.*--resume writes it again"):
        read_history(tmp_path)


KERNEL = """
from ir.kernels import kept_on_disk

@kept_on_disk
def double(x):
    return 2 * x
"""
SPOIL = """
import importlib, random, sys, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("error")
import twice
from ir import kernels
made = []
kernels.listeners.append(lambda name, begins: made.append(begins))
assert twice.double(4) == 8
cache, rng, noticed = Path(sys.argv[1]) / "__pycache__", random.Random(5), 0
for turn in range(12):
    (path,) = cache.glob("*.nbc" if turn % 3 else "*.nbi")
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content) - 16)] ^= 1 << rng.randrange(8)
    path.write_bytes(content[: rng.randrange(len(content))] if turn % 4 == 3 else content)
    made.clear()
    importlib.reload(twice)
    assert twice.double(4) == 8
    noticed += bool(made)
print(noticed)
"""


def test_compiled_code_on_disk_is_run_only_as_it_was_written(tmp_path: Path):
    (tmp_path / "twice.py").write_text(KERNEL)
    given = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, "-c", SPOIL, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, env=given, timeout=200, check=False)
    assert done.stdout == "12\n", done.stderr


FULL = """
import sys, warnings
sys.path.insert(0, sys.argv[1])
import resource, signal
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
import twice
print(twice.double(4))
"""


def test_a_disk_without_room_for_compiled_code_stops_no_run(tmp_path: Path):
    (tmp_path / "twice.py").write_text(KERNEL)
    given = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, env=given, timeout=200, check=False)
    assert done.stdout == "8\n", done.stderr
    assert done.stderr.count("no folder for compiled code can be written") == 1
