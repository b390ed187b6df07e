"""Own recordings in a folder, one subfolder a class: written here as tonic's events, then trained, mapped and run."""

from pathlib import Path

import numpy as np

import unlayered as ul

FOLDER = Path("out/own-folder")
EVENT = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])  # tonic's type, t in microseconds

rng = np.random.default_rng(0)
for part in ("train", "test"):
    for label, name in enumerate(("left", "right")):  # where a bar of 16 x 16 pixels falls down within 100 ms
        (FOLDER / part / name).mkdir(parents=True, exist_ok=True)
        for i in range(30):
            events = np.zeros(600, EVENT)
            events["t"] = np.sort(rng.integers(0, 100_000, 600))
            events["x"], events["y"] = rng.integers(0, 10, 600) + 6 * label, events["t"] * 16 // 100_000
            events["p"] = rng.random(600) < 0.5
            np.save(FOLDER / part / name / f"{i}.npy", events)

options = {"window_us": 10_000, "n_steps": 10, "sensor": [16, 16, 2]}
train, test = (ul.data(f"folder:{FOLDER}", part, options=options) for part in ("train", "test"))
config = ul.TrainConfig(layers=("32", "2"), epochs=10, initial_density=0.05, learning_rate=3e-3)
mapped = ul.map(ul.train(config, "out/own-folder-net", data=train).export(), "loihi2")
print(f"accuracy on {len(test)} test recordings: {ul.statistics(ul.run(mapped, test)).accuracy:.3f}")
