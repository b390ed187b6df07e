"""Images as constant currents: the first layer takes pixels in floats on the host; its spikes go on to the chip."""

import torch
from torch.utils.data import Dataset

import unlayered as ul


class Stripes(Dataset[tuple[torch.Tensor, int]]):
    """Noisy images of 8 x 8 pixels with a bright row (class 0) or a bright column (class 1)."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        image = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(self.seed + i)) * 0.1
        image[0, i // 2 % 8] = 0.9
        return (image if i % 2 == 0 else image.transpose(1, 2)), i % 2


options = {"images": "current", "n_steps": 8}
train, test = (ul.data(Stripes(n, seed), options=options) for n, seed in ((300, 0), (100, 1000)))
config = ul.TrainConfig(layers=("64", "32", "2"), encoder=1, epochs=10, initial_density=0.1, learning_rate=5e-3)
mapped = ul.map(ul.train(config, "out/currents", data=train).export(), "loihi2")
print(f"accuracy on {len(test)} test images: {ul.statistics(ul.run(mapped, test)).accuracy:.3f}")
