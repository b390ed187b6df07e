"""A toy training rule: every weight moves by one small step against its gradient's sign."""

from __future__ import annotations

import torch

from ir.schedule import Schedule
from trainer.batch import Batch
from trainer.losses import LOSS_FUNCTIONS
from trainer.network import SpikingNetwork
from trainer.rules.rule import Settings, Step


class Signs:
    """The toy as an entry of ``trainer.rules.RULES``."""

    def optimizer(self, network: SpikingNetwork, config: Settings) -> torch.optim.Optimizer:
        return torch.optim.SGD(network.parameters(), lr=config.learning_rate, momentum=0.5)

    def step(
        self,
        network: SpikingNetwork,
        optimizer: torch.optim.Optimizer,
        batch: Batch,
        schedule: Schedule,
        config: Settings,
        epoch: int,
    ) -> Step:
        optimizer.zero_grad()
        result = network(batch.frames, schedule, batch.ids, config.options, batch.events, config.engine, batch.state)
        loss = LOSS_FUNCTIONS[config.loss](result, network.plan(), batch.labels)
        loss.backward()
        for p in network.parameters():
            assert p.grad is not None
            p.grad.sign_()
        optimizer.step()
        return Step(float(loss.detach()), (result.state.detach(),))
