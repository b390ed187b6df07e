"""A mapped network as feeder, synapses, neurons and spike queue (Lava 0.10.0, Python 3.10 only)."""

# pyright: basic, reportAssignmentType=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from ir.graph import input_depths, senders, slices
from ir.mapped import MappedNetwork
from ir.schedule import Schedule
from ir.state import State
from ir.stimulus import Stimulus
from targets.lava.collect import Records
from targets.lava.feed import Feed
from targets.lava.group import Neurons
from targets.lava.processes.asynchronous import Feeder, NeuronProcess, QueueProcess, SynapseProcess
from targets.lava.processes.per_core import ControllerProcess, CoreQueueProcess
from targets.lava.registers import none_reached
from targets.lava.shared import shared_zeros
from targets.lava.spike_queue import QueuePlan
from targets.lava.synapses import Synapses


class AsynchronousGraph:
    """The processes of one network under the asynchronous schedule.

    Attributes:
        n_ticks: None: runs until the queue or the controller asks for a pause.
        progress: shared (2,): frames done, ticks.
    """

    n_ticks = None

    def __init__(
        self,
        mapped: MappedNetwork,
        stimulus: Stimulus,
        schedule: Schedule,
        folder: Path,
        per_core: bool,
        record: Collection[str],
        state: State | None,
    ) -> None:
        network = mapped.network
        self.mapped, self.schedule, self.folder, self.state = mapped, schedule, folder, state
        n, frames = network.n_neurons, stimulus.n_samples * stimulus.n_steps
        self.states = {name: shared_zeros((frames, n), np.int32) for name in record}
        self.depths = input_depths(network)
        self.forward_steps = shared_zeros(frames, np.int32)
        self.progress = shared_zeros(2, np.int64)
        self.limits = []
        sending = senders(network)
        sends = np.repeat(
            [b.name in sending for b in (*network.populations, *network.inputs)],
            [b.n for b in (*network.populations, *network.inputs)],
        )
        self.feed = Feed(stimulus, schedule, sends[n:])
        self.feeder = Feeder(name="input", feed=self.feed)
        members = (np.flatnonzero(mapped.core_of_neuron == c) for c in range(len(mapped.cores)))
        cores = {c: neurons for c, neurons in enumerate(members) if neurons.size}
        everyone = np.arange(n)
        self.plan = QueuePlan(
            schedule=schedule,
            n_neurons=n,
            n_inputs=network.n_inputs,
            cores=tuple(cores.values()) if schedule.scope == "core" else (everyone,),
            output=slices(network.populations)[network.output],
            sends=sends,
            last_due=max((self.depths[p.name] for p in network.populations if p.neuron.due), default=-1),
            sample_ids=np.asarray(stimulus.sample_ids),
            n_steps=stimulus.n_steps,
            input_rounds=self.feed.input_rounds,
            t0=0 if state is None else state.t,
        )
        groups = [
            self._group(neurons, f" of core {c}" if per_core else "", stimulus.n_steps)
            for c, neurons in (cores if per_core else {0: everyone}).items()
        ]
        if per_core and schedule.scope == "core":
            self.start = self._controlled_queues(cores, groups)
        else:
            self.start = self._one_queue(groups)

    def _one_queue(self, groups):
        """All queues in one process; returns it."""
        queue = QueueProcess(
            name="spike queue",
            plan=self.plan,
            forward_steps=self.forward_steps,
            progress=self.progress,
            log_path=str(self.folder / "rows-all.bin"),
            max_events=self.feed.max_events,
        )
        queue.done_out.connect(self.feeder.done_in)
        if self.schedule.input == "queued":
            self.feeder.events_out.connect(queue.events_in)
        for synapses, neurons in groups:
            queue.served_out.connect(synapses.served_in)
            neurons.spikes_out.connect(queue.spikes_in)
        return queue

    def _controlled_queues(self, cores, groups):
        """A queue process a core and their controller; returns it."""
        controller = ControllerProcess(
            name="controller", plan=self.plan, forward_steps=self.forward_steps, progress=self.progress
        )
        queues = [
            CoreQueueProcess(
                name=f"spike queue of core {c}",
                plan=replace(self.plan, cores=(neurons,)),
                log_path=str(self.folder / f"rows-{c}.bin"),
            )
            for c, neurons in cores.items()
        ]
        controller.done_out.connect(self.feeder.done_in)
        for queue in queues:
            queue.pending_out.connect(controller.pending_in)
            controller.done_out.connect(queue.done_in)
        for synapses, neurons in groups:
            for queue in (*queues, controller):
                queue.served_out.connect(synapses.served_in)
                neurons.spikes_out.connect(queue.spikes_in)
        return controller

    def _group(self, where, suffix: str, n_steps: int):
        """Synapses and neurons of a group, connected with each other and the feeder."""
        network = self.mapped.network
        limits = shared_zeros((2, len(none_reached(network))), np.int64)
        self.limits.append(limits)
        synapses = SynapseProcess(
            name=f"synapses{suffix}",
            synapses=Synapses(network, where),
            n_inputs=network.n_inputs,
            n_served=self.plan.n_served,
            every_tick=self.feed.every_tick,
            limits=limits[0],
        )
        neurons = NeuronProcess(
            name=f"neurons{suffix}",
            neurons=Neurons(network, where, self.depths),
            n=network.n_neurons,
            n_steps=n_steps,
            state=self.state,
            states=self.states,
            limits=limits[1],
        )
        if self.schedule.input != "queued":
            self.feeder.counts_out.connect(synapses.counts_in)
        synapses.a_out.connect(neurons.a_in)
        return synapses, neurons

    def records(self) -> Records:
        """Read the shared records and the queues' logs."""
        logs = sorted(self.folder.glob("rows-*.bin"))
        rows = [np.fromfile(log, np.int64).reshape(-1, 6) for log in logs]
        reached = dict(zip(none_reached(self.mapped.network), np.sum(self.limits, axis=(0, 1))))
        return Records(self.states, self.forward_steps, reached, rows)
