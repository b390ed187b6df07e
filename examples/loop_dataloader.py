"""A training loop over a torch DataLoader, whose batches come with the batch first."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import unlayered as ul

digits = ul.data("digits", "train", samples=600)
frames = torch.tensor(digits.frames).float().transpose(0, 1)  # (B, T, N_in)
loader = DataLoader(TensorDataset(torch.arange(600), frames, torch.tensor(digits.labels)), batch_size=64, shuffle=True)
net = ul.SpikingNetwork.sequential(
    (2, 20, 20),
    nn.Flatten(),
    nn.Linear(800, 64, bias=False),
    ul.LIF(tau_mem_s=10e-3, v_threshold=0.3),
    nn.Linear(64, 10, bias=False),
    ul.LIF(tau_mem_s=10e-3, v_threshold=None),  # never fires: the membrane is read
    dt_s=10e-3,
    schedule=ul.Schedule(F=8, order="random"),
)
with torch.no_grad():
    net.layers[0][1].weight.mul_(3)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(4):
    right = 0
    for ids, x, y in loader:
        v = net(x.transpose(0, 1), ul.Schedule(F=8, order="random", seed=epoch), sample_ids=ids).output[-1]
        loss = nn.functional.cross_entropy(v, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right += int((v.argmax(1) == y).sum())
print(f"accuracy in the last epoch: {right / 600:.3f}")
