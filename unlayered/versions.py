"""The versions that a result depends on."""

from __future__ import annotations

import platform

PACKAGES = ("unlayered", "numpy", "scipy", "torch", "numba", "tonic", "scikit-learn", "lava-nc", "nir", "onnx")


def versions() -> dict[str, str]:
    """Python and every package that touches a number; ``absent`` where one is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # late: `--help` reads no package's metadata

    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found
