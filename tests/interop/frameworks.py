"""Runs inside one framework's environment: NIR files and frames in, the framework's own output spikes out.

usage: python frameworks.py FRAMEWORK FOLDER; for each N.nir with N.npy (T, *shape) writes N.out.npy (T, n_out),
or N.error where the framework itself fails. Imports nothing of unlayered.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
import torch

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


def norse(path: Path, frames: np.ndarray, dt: float) -> np.ndarray:
    import nir
    from norse.torch.utils.import_nir import from_nir

    net, state, out = from_nir(nir.read(path), dt=dt), None, []
    for x in torch.as_tensor(frames).float():
        z, state = net(x, state)
        out.append(z.detach().numpy().reshape(-1))
    return np.stack(out)


def spikingjelly(path: Path, frames: np.ndarray, dt: float) -> np.ndarray:
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    net, state, out = import_from_nir(path, dt=dt), None, []
    for x in torch.as_tensor(frames).float():
        z, state = net(x[None], state)
        out.append(z.detach().numpy().reshape(-1))
    return np.stack(out)


def snntorch(path: Path, frames: np.ndarray, dt: float) -> np.ndarray:
    import nir
    from snntorch.import_nir import import_from_nir

    net, out, state = import_from_nir(nir.read(path)), [], None
    for x in torch.as_tensor(frames).float():
        z, state = net(x[None], state)
        out.append(z.detach().numpy().reshape(-1))
    return np.stack(out)


def sinabs(path: Path, frames: np.ndarray, dt: float) -> np.ndarray:
    import nir
    from sinabs.nir import from_nir

    net = from_nir(nir.read(path), batch_size=1)
    out = net(torch.as_tensor(frames).float())
    out = out[0] if isinstance(out, tuple) else out
    return out.detach().numpy().reshape(len(frames), -1)


def rockpool(path: Path, frames: np.ndarray, dt: float) -> np.ndarray:
    import nir
    from rockpool.nn.modules.torch.nir import from_nir

    net = from_nir(nir.read(path))
    out = net(torch.as_tensor(frames).float()[None])
    return out[0].detach().numpy().reshape(len(frames), -1)


def lava_dl(path: Path, frames: np.ndarray, dt: float) -> np.ndarray:
    """lava-dl has no NIR reader: the layers beside the file say what to build from its CUBA blocks."""
    import lava.lib.dl.slayer as slayer

    x = torch.as_tensor(frames.reshape(len(frames), -1)).float().T[None]
    for layer in json.loads(path.with_suffix(".json").read_text()):
        weight = torch.as_tensor(layer["weight"]).float()
        params = {
            "threshold": layer["threshold"],
            "current_decay": layer["current_decay"],
            "voltage_decay": layer["voltage_decay"],
        }
        kind = slayer.block.cuba.Recurrent if layer["recurrent"] else slayer.block.cuba.Dense
        block = kind(params, weight.shape[1], weight.shape[0], delay_shift=False)
        with torch.no_grad():
            synapse = block.input_synapse if layer["recurrent"] else block.synapse
            synapse.weight.data = weight.reshape(synapse.weight.shape)
            if layer["recurrent"]:
                shape = block.recurrent_synapse.weight.shape
                block.recurrent_synapse.weight.data = torch.as_tensor(layer["recurrent"]).float().reshape(shape)
            x = block(x)
    return x[0].T.detach().numpy()


FRAMEWORKS = {
    "norse": norse,
    "spikingjelly": spikingjelly,
    "snntorch": snntorch,
    "sinabs": sinabs,
    "rockpool": rockpool,
    "lava-dl": lava_dl,
}


def main(name: str, folder: Path) -> None:
    """Run every network of a folder."""
    torch.set_num_threads(1)
    for path in sorted(folder.glob("*.nir")):
        frames = np.load(path.with_suffix(".npy"))
        dt = float(path.with_suffix(".dt").read_text())
        try:
            np.save(path.with_suffix(".out.npy"), FRAMEWORKS[name](path, frames, dt))
        except Exception:  # the framework's own failure is the finding
            path.with_suffix(".error").write_text(traceback.format_exc())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
