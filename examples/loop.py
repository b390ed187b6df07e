"""A training loop of one's own: ordinary torch layers, an asynchronous forward pass, Adam; then the chip."""

import torch
from torch import nn

import unlayered as ul

train, test = ul.data("digits", "train", samples=600), ul.data("digits", "test")
x, y = torch.tensor(train.frames).float(), torch.tensor(train.labels)  # (T, B, N_in) counts, (B,) classes
net = ul.SpikingNetwork.sequential(
    (2, 20, 20),
    nn.Flatten(),
    nn.Linear(800, 64, bias=False),
    ul.LIF(tau_mem_s=10e-3, v_threshold=0.3),
    nn.Linear(64, 10, bias=False),
    ul.LIF(tau_mem_s=10e-3, v_threshold=0.3),
    dt_s=10e-3,
    schedule=ul.Schedule(F=8, order="momentum"),
)
with torch.no_grad():  # the first layer must fire to learn
    net.layers[0][1].weight.mul_(3)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(4):
    for batch in torch.randperm(len(y)).split(64):
        result = net(x[:, batch], ul.Schedule(F=8, seed=epoch), sample_ids=batch)  # another seed, other ties
        loss = nn.functional.cross_entropy(result.output.sum(0), y[batch])  # output: (T, B, 10) spikes
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
mapped = ul.map(net.export(), "loihi2")
print(f"accuracy of the mapped network: {ul.statistics(ul.run(mapped, test)).accuracy:.3f}")
