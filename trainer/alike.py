"""What must be the same in all processes that train together, so that their gradients are of one network."""

from __future__ import annotations

import json
import platform
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch

from stimuli.own.data import Data
from trainer.config import TrainConfig
from trainer.data import Samples
from trainer.network import SpikingNetwork

PACKAGES = ("unlayered", "numpy", "torch", "numba")


def facts(config: TrainConfig, data: Samples, network: SpikingNetwork) -> dict[str, str]:
    """Versions, configuration, data and first weights, each as text that is equal only where they are."""
    ids = [data.n_samples] if isinstance(data, Data) else np.asarray(data.sample_ids).tolist()
    labels = [] if isinstance(data, Data) or data.labels is None else np.asarray(data.labels).tolist()
    return {
        "versions of Python or packages": json.dumps([platform.python_version(), *map(_version, PACKAGES)]),
        "instructions of the processor": torch.backends.cpu.get_cpu_capability() if config.same_bits else "",
        "settings": json.dumps(config.to_dict(), sort_keys=True),
        "training data": json.dumps([ids, labels]),
        "first weights": digest_of(network),
    }


def digest_of(network: SpikingNetwork) -> str:
    """Of every bit of what a network has learned."""
    weights = sha256()
    for tensor in network.state_dict().values():
        weights.update(tensor.detach().cpu().numpy().tobytes())
    return weights.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
