"""Surrogate gradients: the loss through every time step and forward step, a step of Adam."""

from __future__ import annotations

import torch
import torch.distributed as distributed

from ir.schedule import Schedule
from trainer.batch import Batch, world
from trainer.losses import LOSS_FUNCTIONS, spike_penalty
from trainer.network import SpikingNetwork
from trainer.optimizers import make_optimizer
from trainer.rules.rule import Settings, Step, check_loss, check_parameters


class Surrogate:
    """Backpropagation through time with the surrogate of ``trainer.surrogate``."""

    def optimizer(self, network: SpikingNetwork, config: Settings) -> torch.optim.Optimizer:
        return make_optimizer(network, config)

    def step(
        self,
        network: SpikingNetwork,
        optimizer: torch.optim.Optimizer,
        batch: Batch,
        schedule: Schedule,
        config: Settings,
        epoch: int,
        share: float = 1.0,
    ) -> Step:
        optimizer.zero_grad(set_to_none=True)
        loss, state, total = None, None, torch.zeros((), dtype=torch.float64)
        if share > 0:
            result = network(
                batch.frames, schedule, batch.ids, config.options, batch.events, config.engine, batch.state
            )
            state = result.state.detach()
            counted = result.last(config.loss_steps) if config.loss_steps else result
            loss = LOSS_FUNCTIONS[config.loss](counted, network.plan(), batch.labels)
            if config.spike_penalty and epoch >= config.spike_penalty_after:
                loss = loss + config.spike_penalty * spike_penalty(result)
            loss = loss * share
            total += loss.detach().cpu()
        if world() > 1:
            distributed.all_reduce(total)
        check_loss(float(total), config, epoch)
        if loss is not None:
            loss.backward()
        if world() > 1:
            for p in network.parameters():
                if p.requires_grad:
                    p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                    distributed.all_reduce(p.grad)
        optimizer.step()
        check_parameters(network, config, epoch)
        return Step(float(total), state)
