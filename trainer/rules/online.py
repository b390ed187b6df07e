"""Credit rules of SpikingGamma whose memory does not grow with time steps: a gradient in every one of them."""

from __future__ import annotations

import torch

from ir.check import require
from ir.schedule import Schedule
from trainer.batch import Batch, world
from trainer.engines.neurons.gamma_dynamics import GammaParams
from trainer.network import SpikingNetwork
from trainer.online.compiled import refusal, whole_batch
from trainer.online.gradients import added, begun, first_counting, hand_over, label_loss
from trainer.online.run import Gradients, OnlineRun
from trainer.optimizers import make_optimizer
from trainer.rules.rule import Settings, Step, check_loss, check_parameters


class Online:
    """A rule of ``trainer.online.credit.CREDITS``; the loss is the readout's cross-entropy in every time step."""

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
        share: float = 1.0,
    ) -> Step:
        require(world() == 1, f"rule {self.name!r} trains in one process; leave torchrun out, or use rule 'bptt'")
        run, total = begun(network, batch.frames, self.name, batch.ids), 0.0
        by_sequence = config.gamma.update == "sequence"
        if by_sequence and config.engine != "reference" and refusal(run) is None:
            begins = first_counting(len(batch.frames), config.loss_steps)
            loss, found, _, _ = whole_batch(run, batch.labels, begins)
            check_loss(loss, config, epoch)
            self._change(network, optimizer, run, found)
            check_parameters(network, config, epoch)
            return Step(loss, None)
        gathered: Gradients | None = None
        for step in run.steps(label_loss(batch.labels, len(batch.frames), config.loss_steps)):
            if step.loss is None or step.gradients is None:
                continue
            total += float(step.loss)
            check_loss(total, config, epoch)
            if by_sequence:
                gathered = step.gradients if gathered is None else added(gathered, step.gradients)
                continue
            self._change(network, optimizer, run, step.gradients)
            own = network.params()
            neurons = own.neurons["spiking_gamma"]
            assert isinstance(neurons, GammaParams)
            run.take([w.detach() for w in own.weights], neurons)
        if gathered is not None:
            self._change(network, optimizer, run, gathered)
        check_parameters(network, config, epoch)
        return Step(total, None)

    def _change(
        self, network: SpikingNetwork, optimizer: torch.optim.Optimizer, run: OnlineRun, found: Gradients
    ) -> None:
        optimizer.zero_grad(set_to_none=True)
        hand_over(network.params(), run, found)
        optimizer.step()
