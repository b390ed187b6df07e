"""Runs inside lava-dl's environment; imports nothing of unlayered.

usage: lava_dl.py run FOLDER                each N.net with N.npz in lava-dl's own reader on Lava: N.out.npz, or N.error
       lava_dl.py make FIRST COUNT FOLDER   files that slayer writes: N.net, and N.npz with frames and slayer's spikes
       lava_dl.py weights FILE              what becomes of matrices: FILE.out.npz

``N.npz`` holds ``frames`` (T, n_in) of 0 and 1 and ``resets``, () or (interval, offset). ``N.out.npz`` gets, for each
layer l of neurons, ``s{l}`` (T, n) with the layer's lag taken out, and what the layer holds: ``weight{l}``, ``vth{l}``,
``du{l}``, ``dv{l}``, ``bias{l}``; of the last one ``v`` and ``u`` after the last frame. Images are (C, H, W), flat.
"""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


def flat(values: np.ndarray) -> np.ndarray:
    """An image (W, H, C) as (C, H, W), flat; a list as it is."""
    return values.transpose(2, 1, 0).reshape(-1) if values.ndim == 3 else values.reshape(-1)


def run_netx(path: Path) -> dict[str, Any]:
    """One file in ``netx.hdf5.Network``, with a sink behind each layer."""
    from lava.lib.dl.netx import hdf5
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    with np.load(path.with_suffix(".npz")) as job:
        frames, resets = job["frames"], job["resets"].tolist()
    options = {"reset_interval": resets[0], "reset_offset": resets[1]} if resets else {}
    net = hdf5.Network(net_config=str(path), **options)
    shape, n_layers = net.inp.shape, len(net.layers)
    images = frames.reshape(len(frames), *shape[::-1]).transpose(*range(len(shape), -1, -1))
    n_steps = len(frames) + n_layers
    data = np.zeros((*shape, n_steps), int)
    data[..., : len(frames)] = images
    source = Source(data=data)
    source.s_out.connect(net.inp)
    sinks = [Sink(shape=layer.out.shape, buffer=n_steps) for layer in net.layers]
    for layer, sink in zip(net.layers, sinks):
        layer.out.connect(sink.a_in)
    try:
        net.run(condition=RunSteps(n_steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        return recorded(net, sinks, len(frames))
    finally:
        net.stop()


def recorded(net: Any, sinks: list[Any], n_frames: int) -> dict[str, Any]:
    """Spikes of each layer, the last one's registers, and what the layers hold."""
    found: dict[str, Any] = {}
    for i, (layer, sink) in enumerate(zip(net.layers, sinks)):
        spikes = sink.data.get()
        found[f"s{i}"] = np.stack([flat(spikes[..., t + 1 + i]) for t in range(n_frames)])
        found |= {f"{name}{i}": value for name, value in held(layer).items()}
    last = net.layers[-1].neuron
    return found | {"v": flat(last.v.get()), "u": flat(last.u.get())}


def held(layer: Any) -> dict[str, Any]:
    """Parameters as lava-dl runs them, weights without the shift that it puts them through."""
    synapse, neuron = layer.synapse, layer.neuron
    if hasattr(synapse, "weights"):
        found = {"weight": unshifted(synapse)}
    else:
        found = {"weight": np.asarray(synapse.weight.get()).transpose(0, 3, 2, 1)[:, :, ::-1, ::-1]}
    if hasattr(layer, "synapse_rec"):
        found["rec"] = unshifted(layer.synapse_rec)
    plain = {"vth": neuron.vth, "du": neuron.du, "dv": neuron.dv, "bias": neuron.bias_mant}
    return found | {k: flat(np.asarray(v.init)) for k, v in plain.items()}


def unshifted(synapse: Any) -> np.ndarray:
    """A Dense's weights after it has cut them, in the file's units."""
    return np.asarray(synapse.weights.get()).astype(int) >> -synapse.proc_params.get("weight_exp", 0)


def weights(path: Path) -> None:
    """What netx and lava-nc's Dense make of matrices (parts, n, n) that share a layer; NaN where they fail."""
    from lava.lib.dl.netx.utils import optimize_weight_bits
    from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

    found = {}
    with np.load(path) as given:
        for name in given.files:
            try:
                stored, bits, exponent, _ = optimize_weight_bits(np.hstack(list(given[name])).astype(int))
                parts = np.hsplit(stored, len(given[name]))
                signs = [determine_sign_mode(part) for part in parts]
                run = [truncate_weights(clip_weights(p, s, num_bits=8), s, bits) for p, s in zip(parts, signs)]
                found[name] = np.array(run) * 2.0**exponent
            except (OverflowError, ValueError):
                found[name] = np.full(given[name].shape, np.nan)
    np.savez(path.with_suffix(".out.npz"), **found)


def make(seed: int, path: Path) -> None:
    """A network of slayer's blocks, run by slayer and written by slayer."""
    import h5py
    import torch

    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    blocks, shape = slayer_blocks(rng)
    frames = (rng.random((20, int(np.prod(shape)))) < 0.5).astype(np.int32)
    x = torch.as_tensor(frames.T.reshape(1, *shape, len(frames))).float()
    settle(blocks, x, rng)
    sent = []
    with torch.no_grad():
        for block in blocks:
            x = block(x)
            sent.append(x[0].reshape(-1, len(frames)).T.numpy())
    with h5py.File(path, "w") as file:
        for i, block in enumerate(blocks):
            block.export_hdf5(file.create_group(f"layer/{i}"))
    kinds = np.array([type(b).__name__ for b in blocks])
    np.savez(path.with_suffix(".npz"), frames=frames, kinds=kinds,
             **{f"sent{i}": s for i, s in enumerate(sent)})  # fmt: skip


def slayer_blocks(rng: np.random.Generator) -> tuple[list[Any], tuple[int, ...]]:
    """Dense, Conv, Pool, Flatten and Affine blocks that go together."""
    from lava.lib.dl import slayer

    cuba, image = slayer.block.cuba, bool(rng.random() < 0.7)
    shared = image or bool(rng.random() < 0.7)  # one decay a channel fails in slayer on images

    def neuron(norm: bool = True) -> dict[str, Any]:
        decay = 1.0 if rng.random() < 0.6 else float(rng.uniform(0.05, 0.9))
        leak = float(rng.uniform(0.0, 0.5))
        norms = [None, slayer.neuron.norm.MeanOnlyBatchNorm, slayer.neuron.norm.WgtScaleBatchNorm]
        which = int(rng.integers(3)) if norm else 0
        decay = 1.0 if which == 2 else decay
        current, voltage = (
            (decay, leak) if shared else ([decay if decay == 1 else 0.8 * decay, decay], [0.8 * leak, leak])
        )
        return {"threshold": float(rng.uniform(0.2, 0.8)), "current_decay": current, "voltage_decay": voltage,
                "shared_param": shared, "norm": norms[which]}  # fmt: skip

    blocks: list[Any] = []
    shape: tuple[int, ...] = (int(rng.integers(1, 4)), *(int(x) for x in rng.integers(4, 8, 2))) if image else ()
    if image:
        blocks.append(shape_only(cuba, shape))
        side = list(shape)
        for _ in range(int(rng.integers(1, 4))):
            kernel = int(rng.integers(1, min(3, *side[1:]) + 1))
            late = bool(rng.random() < 0.4)
            less = pooled(side, kernel)
            if rng.random() < 0.5 and less:
                blocks.append(cuba.Pool(neuron(False), kernel, weight_scale=2.0, delay=late, delay_shift=False))
                side = less
            else:
                channels = int(rng.integers(1, 4))
                blocks.append(cuba.Conv(neuron(), side[0], channels, kernel, padding=1 if kernel == 3 else 0,
                                        weight_scale=8, delay=late, delay_shift=False))  # fmt: skip
                side = [channels, *(x - kernel + 1 + (2 if kernel == 3 else 0) for x in side[1:])]
        blocks.append(cuba.Flatten())
        n = int(np.prod(side))
    else:
        n = int(rng.integers(3, 20))
        shape = (n,)
    for _ in range(int(rng.integers(0, 2))):
        width, late = int(rng.integers(3, 12)), bool(rng.random() < 0.4)
        blocks.append(cuba.Dense(neuron(), n, width, weight_scale=8, delay=late, delay_shift=False))
        n = width
    last = int(rng.integers(2, 8))
    if rng.random() < 0.3:
        blocks.append(cuba.Affine(neuron(False), n, last, weight_scale=8, dynamics=False))
    else:
        blocks.append(cuba.Dense(neuron(), n, last, weight_scale=8, delay_shift=False))
    return blocks, shape


def pooled(side: list[int], kernel: int) -> list[int] | None:
    """What slayer's pooling makes of an image: channels are stacked, so not every side has a result."""
    channels, height, width = side
    rows = (channels * (height + height % kernel) - kernel) // kernel + 1
    columns = (width + width % kernel - kernel) // kernel + 1
    return [channels, rows // channels, columns] if rows and columns and rows % channels == 0 else None


def shape_only(cuba: Any, shape: tuple[int, ...]) -> Any:
    """An input block without neurons, which says the shape."""
    block = cuba.Input({"threshold": 1, "current_decay": 1, "voltage_decay": 1}, delay_shift=False)
    block.neuron = None
    block.input_shape = shape
    return block


def settle(blocks: list[Any], x: Any, rng: np.random.Generator) -> None:
    """A first pass, in which slayer chooses shapes and delays; then weights, delays and norms that are ours."""
    import torch

    with torch.no_grad():
        for block in blocks:
            block.eval()
            x = block(x)
            norm = getattr(getattr(block, "neuron", None), "norm", None)
            if norm is not None:
                mean = rng.integers(-8, 9, x.shape[1]) * 2 / 64
                norm.running_mean = torch.as_tensor(mean).float()
                if hasattr(norm, "weight_exp"):
                    norm.running_var = torch.tensor([float(rng.choice([0.2, 0.9, 3.0]))])
            if getattr(block, "delay", None) is not None:
                block.delay.delay.data = torch.as_tensor(rng.integers(0, 4, block.delay.delay.shape)).float()


def main(job: str, *arguments: str) -> None:
    """Run one of the three jobs."""
    if job == "weights":
        return weights(Path(arguments[0]))
    import torch

    torch.set_num_threads(1)
    if job == "make":
        first, count, folder = int(arguments[0]), int(arguments[1]), Path(arguments[2])
        for i in range(first, first + count):
            make(i, folder / f"{i:05}.net")
        return None
    for path in sorted(Path(arguments[0]).glob("*.net")):
        try:
            np.savez(path.with_suffix(".out.npz"), **run_netx(path))
        except Exception:  # lava-dl's own failure is the finding
            path.with_suffix(".error").write_text(traceback.format_exc())
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
