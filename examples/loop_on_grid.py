"""Quantization-aware training in a loop of one's own: the forward pass is the chip's integers, spike for spike."""

import torch
from torch import nn

import unlayered as ul

train, test = ul.data("digits", "train", samples=600), ul.data("digits", "test")
x, y = torch.tensor(train.frames).float(), torch.tensor(train.labels)
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
with torch.no_grad():
    net.layers[0][1].weight.mul_(3)
ul.train_on_grid(net, "loihi2", weight_bits=4)  # from here on integers; gradients pass straight through the rounding
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(4):
    for batch in torch.randperm(len(y)).split(64):
        result = net(x[:, batch], ul.Schedule(F=8, seed=epoch), sample_ids=batch)
        loss = nn.functional.cross_entropy(result.output.sum(0), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
integers = net.quantization.quantized(net.export())  # what was trained is what the mapper takes
trained, mapped = ul.run(integers, test, on="trainer"), ul.run(ul.map(integers, "loihi2"), test)
assert ul.compare(trained, mapped) is None
print(f"accuracy with 4-bit weights: {ul.statistics(mapped).accuracy:.3f}")
