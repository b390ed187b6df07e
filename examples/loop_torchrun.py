"""Two processes, each on its share of every batch: torchrun --nproc-per-node 2 examples/loop_torchrun.py"""

import torch
import torch.distributed as distributed
from torch import nn

import unlayered as ul

torch.set_num_threads(1)
torch.manual_seed(0)  # the same weights and the same order of batches everywhere
digits = ul.data("digits", "train", samples=600)
x, y = torch.tensor(digits.frames).float(), torch.tensor(digits.labels)
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
net.layers[0][1].weight.data.mul_(3)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
distributed.init_process_group("gloo")  # after the optimizer, whose imports keep an older group from ending
rank, world = distributed.get_rank(), distributed.get_world_size()
for epoch in range(4):
    right = torch.zeros(())
    for batch in torch.randperm(600).split(60):
        own = batch[rank::world]
        output = net(x[:, own], ul.Schedule(F=8, seed=epoch), sample_ids=own).output.sum(0)
        optimizer.zero_grad()
        (nn.functional.cross_entropy(output, y[own], reduction="sum") / len(batch)).backward()
        for p in net.parameters():
            distributed.all_reduce(p.grad)
        optimizer.step()
        right += (output.argmax(1) == y[own]).sum()
    distributed.all_reduce(right)
if rank == 0:
    print(f"accuracy of {world} processes in the last epoch: {float(right) / 600:.3f}")
distributed.destroy_process_group()
