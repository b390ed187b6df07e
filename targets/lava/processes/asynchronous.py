"""The asynchronous schedule as Lava processes: feeder, synapses, neurons, spike queue; one tick a forward step."""

# pyright: basic, reportAssignmentType=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from targets.lava.registers import write_reached
from targets.lava.spike_queue import Clock, SpikeQueue

ONE = np.ones(1, np.int32)
ZERO = np.zeros(1, np.int32)


class Feeder(AbstractProcess):
    """Sends the next frame, or the next paced events, in the tick in which the frame before is done.

    Args:
        feed: a ``targets.lava.feed.Feed``.
    """

    def __init__(self, *, name, feed):
        super().__init__(name=name, feed=feed)
        self.done_in = InPort(shape=(1,))
        self.counts_out = OutPort(shape=(feed.n_inputs,))
        self.events_out = OutPort(shape=(feed.max_events + 1,))


@implements(proc=Feeder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyFeeder(PyLoihiProcessModel):
    """Acts after the queue and before the synapses of the same tick."""

    done_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    counts_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    events_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.feed = proc_params["feed"]

    def run_spk(self):
        done = bool(self.done_in.recv()[0])
        if done:
            self.feed.next_frame()
        if done or self.feed.every_tick:
            self.counts_out.send(self.feed.counts())
        if done and self.events_out.csp_ports:
            self.events_out.send(self.feed.events())


class SynapseProcess(AbstractProcess):
    """Adds up the weights of what was delivered and sends the sum in the next tick, with the word "new time step".

    Args:
        synapses: a ``targets.lava.synapses.Synapses``.
        n_inputs: inputs of the network.
        n_served: length of what queues send: neurons, inputs where they queue, and the word "done".
        every_tick: whether the feeder sends in every tick, not only with a new frame.
        limits: shared record of how often each edge acted.
    """

    def __init__(self, *, name, synapses, n_inputs, n_served, every_tick, limits):
        super().__init__(name=name, synapses=synapses, every_tick=every_tick, limits=limits)
        self.served_in = InPort(shape=(n_served,))
        self.counts_in = InPort(shape=(n_inputs,))
        self.a_out = OutPort(shape=(synapses.n + 1,))


@implements(proc=SynapseProcess, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySynapseProcess(PyLoihiProcessModel):
    """Sends before it receives, as Lava's Dense does, so that loops of processes cannot lock."""

    served_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    counts_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.synapses = proc_params["synapses"]
        self.every_tick = proc_params["every_tick"]
        self.limits = proc_params["limits"]
        self.sum = np.zeros(self.synapses.n + 1, np.int32)

    def run_spk(self):
        self.a_out.send(self.sum)
        served = self.served_in.recv()
        done = served[-1]
        counts = self.counts_in.recv() if done or self.every_tick else None
        self.sum = np.empty(self.synapses.n + 1, np.int32)
        self.sum[:-1] = self.synapses.drive(served[:-1], counts)
        self.sum[-1] = done
        write_reached(self.synapses.reached, self.limits)


class NeuronProcess(AbstractProcess):
    """A group of neurons of any populations and models.

    Args:
        neurons: a ``targets.lava.group.Neurons``.
        n: neurons of the whole network.
        n_steps: time steps a sample.
        state: an ``ir.State`` that the samples go on from; or None.
        states: shared (frames, N) records by state name.
        limits: shared record of how often each edge acted.
    """

    def __init__(self, *, name, neurons, n, n_steps, state, states, limits):
        super().__init__(name=name, neurons=neurons, n=n, n_steps=n_steps, state=state, states=states, limits=limits)
        self.a_in = InPort(shape=(neurons.n + 1,))
        self.spikes_out = OutPort(shape=(2 * n,))


@implements(proc=NeuronProcess, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyNeuronProcess(PyLoihiProcessModel):
    """The first tick is no forward step: nothing has arrived yet."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    spikes_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.neurons = proc_params["neurons"]
        self.n = proc_params["n"]
        self.n_steps = proc_params["n_steps"]
        self.state = proc_params["state"]
        self.states = proc_params["states"]
        self.limits = proc_params["limits"]
        self.frame = -1
        self.k = 0

    def run_spk(self):
        a = self.a_in.recv()
        spikes = np.zeros(2 * self.n, np.int32)
        if a[-1]:
            self.frame += 1
            self.k = 0
            self._begin(*divmod(self.frame, self.n_steps))
        if self.frame >= 0:
            fired, m = self.neurons.step(self.k, a[:-1].astype(np.int64))
            spikes[self.neurons.where] = fired
            spikes[self.n + self.neurons.where] = m
            self.k += 1
        self.spikes_out.send(spikes)
        if self.frame >= 0:
            self.neurons.write(self.states, self.frame)
            write_reached(self.neurons.reached, self.limits)

    def _begin(self, b, t):
        """Begin time step ``t`` of the run in sample ``b``."""
        if t == 0:
            before = None if self.state is None else {name: x[b] for name, x in self.state.states.items()}
            self.neurons.start(before)
        self.neurons.begin(t if self.state is None else self.state.t + t)


class QueueProcess(AbstractProcess):
    """The queue (or all cores' queues) and the word that a time step is done.

    Args:
        plan: a ``targets.lava.spike_queue.QueuePlan``.
        forward_steps: shared (frames,) record.
        progress: shared (2,): frames done, ticks.
        log_path: file that takes the trace's rows.
        max_events: most events of a queued frame.
    """

    def __init__(self, *, name, plan, forward_steps, progress, log_path, max_events):
        super().__init__(name=name, plan=plan, forward_steps=forward_steps, progress=progress, log_path=log_path)
        self.spikes_in = InPort(shape=(2 * plan.n_neurons,))
        self.events_in = InPort(shape=(max_events + 1,))
        self.served_out = OutPort(shape=(plan.n_served,))
        self.done_out = OutPort(shape=(1,))


@implements(proc=QueueProcess, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyQueueProcess(PyLoihiProcessModel):
    """Receives spikes, serves F, says done; asks Lava to pause when the last time step is done."""

    spikes_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    events_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    served_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    done_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.plan = proc_params["plan"]
        self.forward_steps = proc_params["forward_steps"]
        self.progress = proc_params["progress"]
        self.queue = SpikeQueue(self.plan, proc_params["log_path"])
        self.clock = Clock(self.plan)

    def run_spk(self):
        spikes = self.spikes_in.recv()
        self.progress[1] += 1
        served, done = self.plan.nothing(), True
        if self.clock.frame >= 0:
            served, done = self._round(spikes)
        self.done_out.send(ONE if done else ZERO)
        if done:
            self.clock.next_frame()
            self._req_pause = self.clock.finished
            if self.events_in.csp_ports and not self.clock.finished:
                events = self.events_in.recv()
                self.queue.receive_events(events[1 : 1 + events[0]].astype(np.int64))
                served, _ = self.queue.serve(*self.clock.address, -1)
            self.progress[0] = self.clock.frame
        else:
            self.clock.k += 1
        served[-1] = done
        self.served_out.send(served)

    def _round(self, spikes):
        """Steps d and e of the semantics; returns what is served and whether the time step is done."""
        clock, n = self.clock, self.plan.n_neurons
        fired = spikes[:n] > 0
        self.queue.receive(clock.k, fired, spikes[n:])
        if clock.forced(fired):
            served, done = self.plan.nothing(), True
        else:
            served, pending = self.queue.serve(*clock.address, clock.k)
            done = clock.drained(pending)
        if done:
            self.forward_steps[clock.frame] = clock.k + 1
            self.queue.end_step(*clock.address)
        return served, done
