"""Surrogate gradients: the loss through every time step and forward step, a step of Adam."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ir.schedule import Schedule
from trainer.batch import Batch
from trainer.engines.live import LiveState
from trainer.engines.neurons.gamma_dynamics import GammaParams
from trainer.engines.result import Result
from trainer.losses import LOSS_FUNCTIONS, range_penalty, spike_penalty
from trainer.network import SpikingNetwork
from trainer.optimizers import make_optimizer
from trainer.processes import add_up, world
from trainer.rules.blocks import Part, learning, sum_of_blocks
from trainer.rules.rule import Settings, Step, check_loss, check_parameters


class Surrogate:
    """Backpropagation through time with the surrogate of ``trainer.surrogate``."""

    by_blocks = True

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
    ) -> Step:
        optimizer.zero_grad(set_to_none=True)
        if config.same_bits:
            parameters = learning(network)

            def part(block: Batch, share: float) -> Part:
                loss, state = loss_of(network, block, schedule, config, epoch)
                loss = loss * share
                if not math.isfinite(float(loss.detach())):  # said by everyone, after the sum
                    return Part(loss.detach(), [None] * len(parameters), state)
                return Part(loss.detach(), list(torch.autograd.grad(loss, parameters, allow_unused=True)), state)

            step = Step(*sum_of_blocks(network, batch, part))
            check_loss(step.loss, config, epoch)
        else:
            step = self._at_once(network, batch, schedule, config, epoch)
        optimizer.step()
        check_parameters(network, config, epoch)
        return step

    def _at_once(self, network: SpikingNetwork, batch: Batch, schedule: Schedule, config: Settings, epoch: int) -> Step:
        """Gradients of this process's samples in one go, summed over processes in torch's order."""
        loss, states, total = None, (), torch.zeros((), dtype=torch.float64)
        if batch.share > 0:
            loss, state = loss_of(network, batch, schedule, config, epoch)
            loss, states = loss * batch.share, (state,)
            total += loss.detach().cpu()
        add_up(total)
        check_loss(float(total), config, epoch)
        if loss is not None:
            loss.backward()
        if world() > 1:
            for p in network.parameters():
                if p.requires_grad:
                    p.grad = add_up(torch.zeros_like(p) if p.grad is None else p.grad)
        return Step(float(total), states)


def loss_of(
    network: SpikingNetwork, batch: Batch, schedule: Schedule, config: Settings, epoch: int
) -> tuple[Tensor, LiveState]:
    """The mean loss of some samples, and where they ended."""
    result = network(batch.frames, schedule, batch.ids, config.options, batch.events, config.engine, batch.state)
    counted = result.last(config.loss_steps) if config.loss_steps else result
    loss = LOSS_FUNCTIONS[config.loss](counted, network.plan(), batch.labels)
    if config.spike_penalty and epoch >= config.spike_penalty_after:
        loss = loss + config.spike_penalty * spike_penalty(result)
    if config.gamma.range_penalty:
        loss = loss + config.gamma.range_penalty * _out_of_range(network, result)
    return loss, result.state.detach()


def _out_of_range(network: SpikingNetwork, result: Result) -> Tensor:
    """Of a network of SpikingGamma alone, whose neurons have the order of the result; others have no such range."""
    own = network.params().neurons.get("spiking_gamma")
    return range_penalty(result.v, own.most) if isinstance(own, GammaParams) else result.v.new_zeros(())
