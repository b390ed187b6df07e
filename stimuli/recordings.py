"""tonic's event data sets, read from the user's disk and never downloaded."""

from __future__ import annotations

from tonic import datasets

from stimuli.places import absent


class NMNIST(datasets.NMNIST):
    """tonic's N-MNIST that is content with part of the recordings; the folder it reads is its class name."""

    def _check_exists(self) -> bool:
        return bool(self._folder_contains_at_least_n_files_of_type(1, ".bin"))

    def download(self) -> None:
        """Refuse: data comes from the user's disk."""
        layout = f"unpack it there as {self.folder_name}/<0-9>/<5 digits>.bin (garrickorchard.com/datasets/n-mnist)"
        raise absent("N-MNIST", self.location_on_system, layout, "NMNIST")


class DVSGesture(datasets.DVSGesture):
    """tonic's DVS Gesture without downloads."""

    def _check_exists(self) -> bool:
        return bool(self._folder_contains_at_least_n_files_of_type(1, ".npy"))

    def download(self) -> None:
        """Refuse: data comes from the user's disk."""
        layout = f"unpack {self.filename} there as {self.folder_name}/user<NN>_<light>/<0-10>.npy"
        raise absent("DVS Gesture", self.location_on_system, layout, "DVSGesture")
