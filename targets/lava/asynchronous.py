"""A mapped network as feeder, synapses, neurons and spike queue (Lava 0.10.0, Python 3.10 only)."""

# pyright: basic

from __future__ import annotations

from pathlib import Path

import numpy as np

from ir.arithmetic import ARITHMETICS
from ir.graph import slices
from ir.mapped import MappedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from targets.lava.collect import Records
from targets.lava.feed import Feed
from targets.lava.neurons import Neurons, last_due, neuron_table
from targets.lava.processes.asynchronous import Feeder, NeuronProcess, QueueProcess, SynapseProcess
from targets.lava.shared import shared_zeros
from targets.lava.spike_queue import QueuePlan
from targets.lava.synapses import Synapses, wires_onto


class AsynchronousGraph:
    """The processes of one network under the asynchronous schedule.

    Attributes:
        n_ticks: None: runs until the queue asks for a pause.
        progress: shared (2,): frames done, ticks.
    """

    n_ticks = None

    def __init__(
        self, mapped: MappedNetwork, stimulus: Stimulus, schedule: Schedule, log: Path, per_core: bool, record_u: bool
    ) -> None:
        network = mapped.network
        self.mapped, self.schedule, self.log = mapped, schedule, log
        n, frames = network.n_neurons, stimulus.n_samples * stimulus.n_steps
        self.v = shared_zeros((frames, n), np.int32)
        self.u = shared_zeros((frames, n), np.int32) if record_u else None
        self.forward_steps = shared_zeros(frames, np.int32)
        self.progress = shared_zeros(2, np.int64)
        self.limits = []
        feed = Feed(stimulus, schedule, n)
        self.feeder = Feeder(name="input", feed=feed)
        cores = [np.flatnonzero(mapped.core_of_neuron == c) for c in range(len(mapped.cores))]
        cores = [c for c in cores if c.size]
        queue_cores = cores if schedule.scope == "core" else [np.arange(n)]
        plan = QueuePlan(
            schedule=schedule,
            n_neurons=n,
            n_inputs=network.n_inputs,
            cores=tuple(queue_cores),
            output=slices(network.populations)[network.output],
            last_due=last_due(network),
            sample_ids=np.asarray(stimulus.sample_ids),
            n_steps=stimulus.n_steps,
            input_rounds=feed.input_rounds,
        )
        self.queue = QueueProcess(
            name="spike queue",
            plan=plan,
            forward_steps=self.forward_steps,
            progress=self.progress,
            log_path=str(log),
            max_events=feed.max_events,
        )
        self.queue.done_out.connect(self.feeder.done_in)
        if schedule.input == "queued":
            self.feeder.events_out.connect(self.queue.events_in)
        groups = cores if per_core else [np.arange(n)]
        for number, group in enumerate(groups):
            self._group(group, f" of core {number}" if per_core else "", stimulus.n_steps)

    @property
    def start(self):
        """A process to compile from."""
        return self.queue

    def _group(self, group, suffix: str, n_steps: int) -> None:
        network = self.mapped.network
        n_sources = network.n_neurons + network.n_inputs
        limits = shared_zeros((2, 4), np.int64)
        self.limits.append(limits)
        synapses = SynapseProcess(
            name=f"synapses{suffix}",
            synapses=Synapses(wires_onto(network, group), group.size),
            n_sources=n_sources,
            limits=limits[0],
        )
        neurons = NeuronProcess(
            name=f"neurons{suffix}",
            neurons=Neurons(neuron_table(network).take(group), ARITHMETICS[network.arithmetic]),
            where=group,
            n=network.n_neurons,
            n_steps=n_steps,
            v=self.v,
            u=self.u,
            limits=limits[1],
        )
        self.feeder.counts_out.connect(synapses.s_in)
        self.queue.served_out.connect(synapses.s_in)
        synapses.a_out.connect(neurons.a_in)
        neurons.spikes_out.connect(self.queue.spikes_in)
        self.queue.done_out.connect(neurons.done_in)

    def records(self, schedule: Schedule) -> Records:
        """Read the shared records and the queue's log."""
        rows = np.fromfile(self.log, np.int64).reshape(-1, 6) if self.log.exists() else np.zeros((0, 6), np.int64)
        limits = sum((part.sum(axis=0) for part in self.limits), np.zeros(4, np.int64))
        return Records(self.v, self.u, self.forward_steps, limits, [rows])
