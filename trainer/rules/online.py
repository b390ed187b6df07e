"""Credit rules of SpikingGamma whose memory does not grow with time steps: a gradient in every one of them."""

from __future__ import annotations

import math

import torch

from ir.check import require
from ir.schedule import Schedule
from trainer.batch import Batch
from trainer.engines.neurons.gamma_dynamics import GammaParams
from trainer.network import SpikingNetwork
from trainer.online.compiled import refusal, whole_batch
from trainer.online.gradients import begun, first_counting, hand_over, handed, label_loss
from trainer.online.run import Gradients, OnlineRun, added
from trainer.optimizers import make_optimizer
from trainer.processes import world
from trainer.rules.blocks import Part, learning, sum_of_blocks
from trainer.rules.rule import Settings, Step, check_loss, check_parameters


class Online:
    """A rule of ``trainer.online.credit.CREDITS``; the loss is the readout's cross-entropy in every time step."""

    by_blocks = True

    def __init__(self, name: str) -> None:
        self.name = name

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
        if config.same_bits:
            loss = self._by_blocks(network, optimizer, batch, config, epoch)
        else:
            alone = f"rule {self.name!r} trains in one process unless same_bits = true"
            require(world() == 1, f"{alone}; set it, leave torchrun out, or use rule 'bptt'")
            loss = self._at_once(network, optimizer, batch, config, epoch)
        check_parameters(network, config, epoch)
        return Step(loss)

    def _by_blocks(
        self,
        network: SpikingNetwork,
        optimizer: torch.optim.Optimizer,
        batch: Batch,
        config: Settings,
        epoch: int,
    ) -> float:
        """A change of the weights by the gradients of all blocks of all processes."""
        parameters = learning(network)

        def part(block: Batch, share: float) -> Part:
            params = network.params()
            run = begun(network, block.frames, self.name, block.ids, params)
            run.price = config.gamma.range_penalty
            loss, found = sequence(run, block, config)
            value = torch.tensor(loss * share, dtype=torch.float64)
            if found is None or not math.isfinite(loss):  # said by everyone, after the sum
                return Part(value, [None] * len(parameters), None)
            gradients = handed(params, run, found, parameters)
            return Part(value, [None if g is None else g * share for g in gradients], None)

        optimizer.zero_grad(set_to_none=True)
        loss = sum_of_blocks(network, batch, part).loss
        check_loss(loss, config, epoch)
        optimizer.step()
        return loss

    def _at_once(
        self,
        network: SpikingNetwork,
        optimizer: torch.optim.Optimizer,
        batch: Batch,
        config: Settings,
        epoch: int,
    ) -> float:
        """A change of the weights by the whole batch, or one in every time step."""
        run, total = begun(network, batch.frames, self.name, batch.ids), 0.0
        run.price = config.gamma.range_penalty
        if config.gamma.update == "sequence":
            total, found = sequence(run, batch, config)
            check_loss(total, config, epoch)
            if found is not None:
                self._change(network, optimizer, run, found)
            return total
        for step in run.steps(label_loss(batch.labels, len(batch.frames), config.loss_steps)):
            if step.loss is None or step.gradients is None:
                continue
            total += float(step.loss)
            check_loss(total, config, epoch)
            self._change(network, optimizer, run, step.gradients)
            own = network.params()
            neurons = own.neurons["spiking_gamma"]
            assert isinstance(neurons, GammaParams)
            run.take([w.detach() for w in own.weights], neurons)
        return total

    def _change(
        self, network: SpikingNetwork, optimizer: torch.optim.Optimizer, run: OnlineRun, found: Gradients
    ) -> None:
        optimizer.zero_grad(set_to_none=True)
        hand_over(network.params(), run, found)
        optimizer.step()


def sequence(run: OnlineRun, batch: Batch, config: Settings) -> tuple[float, Gradients | None]:
    """The mean loss of some samples over all time steps, and its gradients; None where no time step counts."""
    if config.engine != "reference" and refusal(run) is None:
        loss, gradients, _, _ = whole_batch(run, batch.labels, first_counting(len(batch.frames), config.loss_steps))
        return loss, gradients
    total, gathered = 0.0, None
    for step in run.steps(label_loss(batch.labels, len(batch.frames), config.loss_steps)):
        if step.loss is not None and step.gradients is not None:
            total += float(step.loss)
            gathered = step.gradients if gathered is None else added(gathered, step.gradients)
    return total, gathered
