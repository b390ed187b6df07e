"""Learning from a stream without an end: 100 time steps at a time, the state goes on, memory does not grow."""

from pathlib import Path

import torch
from torch import nn

import unlayered as ul

STEPS, PIECES, BATCH = 100, 20, 16
torch.manual_seed(0)
target = torch.randint(0, 2, (BATCH,))  # which of the two sensors is the faster one; the stream never stops


def next_piece() -> torch.Tensor:
    """(T, B, 8) events of the next 100 time steps: four lines of each sensor."""
    rate = torch.full((STEPS, BATCH, 2), 0.05)
    rate[:, torch.arange(BATCH), target] = 0.15
    return torch.bernoulli(rate.repeat_interleave(4, 2))


net = ul.SpikingNetwork.sequential(
    (8,), nn.Linear(8, 16), ul.LIF(20e-3, 1.0, tau_syn_s=10e-3), nn.Linear(16, 2), ul.LIF(20e-3, None)
)
optimizer, state = torch.optim.Adam(net.parameters(), lr=1e-2), None
for _ in range(PIECES):
    result = net(next_piece(), ul.Schedule(kind="layered"), state=state)
    state = result.state.detach()  # the gradient ends here; membranes, currents and spikes on their way go on
    loss = nn.functional.cross_entropy(result.output.mean(0), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
Path("out").mkdir(exist_ok=True)
ul.save(net.freeze(state), "out/stream.npz")  # goes on in another process: net(frames, state=ul.open("out/stream.npz"))
right = float((result.output.mean(0).argmax(1) == target).float().mean())
print(f"after {state.t} time steps, in the last piece: {right:.2f} right")
