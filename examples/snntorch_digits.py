"""A model trained by snnTorch alone, 800-32-10 Leaky neurons on digits, and what Loihi's integers do to it."""

import snntorch as snn
import torch
from torch import nn

import unlayered as ul


def trained(epochs: int = 4) -> nn.Sequential:
    """Train in snnTorch alone, layer by layer, as its tutorials do."""
    torch.manual_seed(0)
    train = ul.data("digits", "train", samples=800)
    x, y = torch.tensor(train.frames).float(), torch.tensor(train.labels)  # (T, B, 800), (B,)
    model = nn.Sequential(
        nn.Linear(800, 32),
        snn.Leaky(beta=0.9, init_hidden=True),
        nn.Linear(32, 10),
        snn.Leaky(beta=0.9, init_hidden=True),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(y)).split(32):
            for layer in (model[1], model[3]):
                layer.reset_mem()
            spikes = sum(model(frame) for frame in x[:, batch])
            loss = nn.functional.cross_entropy(spikes, y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


if __name__ == "__main__":
    network = ul.from_snntorch(trained(), (800,))
    print(ul.diff(network, ul.map(network, "loihi2"), ul.data("digits", samples=100)))
