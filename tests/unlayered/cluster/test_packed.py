"""What travels to a worker arrives bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from exchange import npz
from ir.stimulus import Stimulus
from unlayered.cluster.packed import Packed, packed


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint8, np.float32])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
@pytest.mark.parametrize("shape", [(5, 7, 11), (0, 3, 4), (4, 0, 3)])
def test_a_stimulus_arrives_as_it_was(kind: type, share: float, shape: tuple[int, ...]):
    rng = np.random.default_rng(1)
    frames = (rng.random(shape) < share).astype(kind)
    events = np.array([(b, t, 3, i) for t, b, i in np.argwhere(frames)]).reshape(-1, 4)
    whole = Stimulus(frames, rng.permutation(shape[1]), rng.integers(0, 3, shape[1]), events if share else None)
    sent = packed(whole)
    there = sent.stimulus() if isinstance(sent, Packed) else sent
    assert bytes(npz.encoded(there)) == bytes(npz.encoded(whole)) and there.frames.dtype == whole.frames.dtype
    assert isinstance(sent, Packed) == ((share < 0.1 or not frames.size) and kind is not np.float32)
