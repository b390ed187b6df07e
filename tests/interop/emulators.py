"""Runs in an emulator's own environment: a folder of chains of LIF layers, spikes and registers beside each.

usage: emulators.py nengo-loihi|brian2-loihi FOLDER

A network file holds ``frames`` (T, n_in) of 0 and 1 and for each layer l ``weight{l}`` (post, pre), ``decay_u``,
``decay_v`` and ``v_threshold`` (one a layer). ``NAME.out.npz`` gets spikes ``s`` (T, N), where the emulator lets one
see them ``v`` and ``u`` (T, N), and ``seconds_a_step``. Layers lag behind the input; that lag is taken out.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

Result = dict[str, Any]


def nengo_loihi(net: Any, n_layers: int) -> Result:
    """nengo-loihi's hardware-tested emulator on hand-built blocks."""
    from nengo_loihi.block import Axon, LoihiBlock, Synapse
    from nengo_loihi.emulator import EmulatorInterface
    from nengo_loihi.inputs import SpikeInput

    frames = net["frames"]
    source: Any = SpikeInput(frames.shape[1])
    entry, blocks = source, []
    for layer in range(n_layers):
        weight = net[f"weight{layer}"].astype(np.int32) << 6
        block = LoihiBlock(weight.shape[0])
        whole = {
            "decay_u": net["decay_u"][layer] - 1,
            "decay_v": net["decay_v"][layer],
            "vth": net["v_threshold"][layer] << 6,
            "bias": 0,
            "refract_delay": 1,
        }
        for name, value in whole.items():
            setattr(block.compartment, name, np.full(weight.shape[0], value, np.int32))
        block.compartment.vmin, block.compartment.vmax = -(2**23) + 1, 2**23 - 1
        block.compartment.scale_u = block.compartment.scale_v = False
        synapse = Synapse(weight.shape[1])
        synapse.weights = [np.ascontiguousarray(w[None]) for w in weight.T]
        synapse.indices = [np.arange(weight.shape[0])[None]] * weight.shape[1]
        block.add_synapse(synapse)
        axon = Axon(weight.shape[1])
        axon.target = synapse
        source.add_axon(axon)
        source = block
        blocks.append(block)
    for t, frame in enumerate(frames):
        entry.add_spikes(t + 1, np.flatnonzero(frame))
    sim = EmulatorInterface(SimpleNamespace(blocks=blocks, inputs=[entry], probes=[], dt=0.001), seed=0)
    kept: dict[str, list[Any]] = {"s": [], "v": [], "u": []}
    state, seconds = sim.compartment, 0.0
    for _ in range(len(frames) + n_layers):
        begin = time.perf_counter()
        sim.step()
        seconds += time.perf_counter() - begin
        for name, value in (("s", state.spiked), ("v", state.voltage), ("u", state.current)):
            kept[name].append(value.copy())
    sizes = [b.n_neurons for b in blocks]
    result = {name: aligned(np.array(rows), sizes, len(frames), 1) for name, rows in kept.items()}
    return {**result, "seconds_a_step": seconds / (len(frames) + n_layers)}


def brian2_loihi(net: Any, n_layers: int) -> Result:
    """brian2-loihi; its registers do not overflow."""
    import brian2_loihi as chip
    from brian2 import prefs

    prefs.codegen.target = "numpy"
    frames = net["frames"]
    times, inputs = np.nonzero(frames)
    before: Any = chip.LoihiSpikeGeneratorGroup(frames.shape[1], inputs, times)
    parts, monitors, sizes = [before], [], []
    for layer in range(n_layers):
        weight = net[f"weight{layer}"].astype(np.int64)
        decays = {"decay_v": int(net["decay_v"][layer]), "decay_I": int(net["decay_u"][layer])}
        group = chip.LoihiNeuronGroup(weight.shape[0], 1, int(net["v_threshold"][layer]), **decays)
        synapses = chip.LoihiSynapses(before, group, sign_mode=chip.synapse_sign_mode.MIXED)
        pre, post = np.divmod(np.arange(weight.size), weight.shape[0])
        synapses.connect(i=pre, j=post)
        synapses.w = weight.T.reshape(-1)
        monitor = chip.LoihiSpikeMonitor(group)
        parts += [group, synapses, monitor]
        monitors.append(monitor)
        sizes.append(weight.shape[0])
        before = group
    begin = time.perf_counter()
    chip.LoihiNetwork(*parts).run(len(frames) + n_layers + 1)
    seconds = time.perf_counter() - begin
    spikes = np.zeros((len(frames) + n_layers + 1, sum(sizes)), bool)
    for monitor, start in zip(monitors, np.concatenate([[0], np.cumsum(sizes)]).tolist()):
        at = np.rint(np.asarray(monitor.t, np.float64) * (1 if np.asarray(monitor.t).max(initial=0) > 1 else 1000))
        spikes[at.astype(int), start + np.asarray(monitor.i)] = True
    return {"s": aligned(spikes, sizes, len(frames), 0), "seconds_a_step": seconds / len(spikes)}


def aligned(rows: np.ndarray, sizes: list[int], n_steps: int, lag: int) -> np.ndarray:
    """(T, N) with each layer's lag taken out, ``lag`` ticks for the first and one more for each after it."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    parts = [rows[i + lag : i + lag + n_steps, starts[i] : starts[i + 1]] for i in range(len(sizes))]
    return np.concatenate(parts, axis=1)


def main() -> None:
    """Run every network of the folder."""
    warnings.simplefilter("ignore")
    run = {"nengo-loihi": nengo_loihi, "brian2-loihi": brian2_loihi}[sys.argv[1]]
    for path in sorted(Path(sys.argv[2]).glob("net*.npz")):
        if not path.name.endswith(".out.npz"):
            with np.load(path) as net:
                np.savez(path.with_suffix(".out.npz"), **run(net, sum(n.startswith("weight") for n in net.files)))


if __name__ == "__main__":
    main()
