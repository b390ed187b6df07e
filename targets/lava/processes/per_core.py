"""A queue process for each core, and the controller that hears from all of them when a time step is done."""

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

from targets.lava.processes.asynchronous import ONE, ZERO
from targets.lava.spike_queue import Clock, SpikeQueue


class CoreQueueProcess(AbstractProcess):
    """One core's queue.

    Args:
        plan: a ``targets.lava.spike_queue.QueuePlan`` that holds this core only.
        log_path: file that takes the trace's rows.
    """

    def __init__(self, *, name, plan, log_path):
        super().__init__(name=name, plan=plan, log_path=log_path)
        self.spikes_in = InPort(shape=(2 * plan.n_neurons,))
        self.done_in = InPort(shape=(1,))
        self.served_out = OutPort(shape=(plan.n_served,))
        self.pending_out = OutPort(shape=(1,))


@implements(proc=CoreQueueProcess, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyCoreQueueProcess(PyLoihiProcessModel):
    """Serves its core's best F, tells the controller whether any spike of its own, served or waiting, goes to a neuron,
    and hears from it in the same tick."""

    spikes_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    done_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    served_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    pending_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.plan = proc_params["plan"]
        self.queue = SpikeQueue(self.plan, proc_params["log_path"])
        self.clock = Clock(self.plan)

    def run_spk(self):
        spikes = self.spikes_in.recv()
        served, pending = self.plan.nothing(), False
        n = self.plan.n_neurons
        if self.clock.frame >= 0:
            fired = spikes[:n] > 0
            self.queue.receive(self.clock.k, fired, spikes[n:])
            if not self.clock.forced(fired):
                served, pending = self.queue.serve(*self.clock.address, self.clock.k)
        self.pending_out.send(ONE if pending else ZERO)
        self.served_out.send(served)
        if self.done_in.recv()[0]:
            if self.clock.frame >= 0:
                self.queue.end_step(*self.clock.address)
            self.clock.next_frame()
        else:
            self.clock.k += 1


class ControllerProcess(AbstractProcess):
    """Says done when nothing is pending on any core, or a stop rule says so.

    Args:
        plan: a ``targets.lava.spike_queue.QueuePlan``.
        forward_steps: shared (frames,) record.
        progress: shared (2,): frames done, ticks.
    """

    def __init__(self, *, name, plan, forward_steps, progress):
        super().__init__(name=name, plan=plan, forward_steps=forward_steps, progress=progress)
        self.spikes_in = InPort(shape=(2 * plan.n_neurons,))
        self.pending_in = InPort(shape=(1,))
        self.served_out = OutPort(shape=(plan.n_served,))
        self.done_out = OutPort(shape=(1,))


@implements(proc=ControllerProcess, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyControllerProcess(PyLoihiProcessModel):
    """Serves nothing itself; its word travels to the synapses as the last number of what is served."""

    spikes_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    pending_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    served_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    done_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.plan = proc_params["plan"]
        self.forward_steps = proc_params["forward_steps"]
        self.progress = proc_params["progress"]
        self.clock = Clock(self.plan)

    def run_spk(self):
        clock = self.clock
        fired = self.spikes_in.recv()[: self.plan.n_neurons] > 0
        pending = bool(self.pending_in.recv()[0])
        self.progress[1] += 1
        done = clock.frame < 0 or clock.forced(fired) or clock.drained(pending)
        word = self.plan.nothing()
        word[-1] = done
        self.done_out.send(ONE if done else ZERO)
        self.served_out.send(word)
        if not done:
            clock.k += 1
            return
        if clock.frame >= 0:
            self.forward_steps[clock.frame] = clock.k + 1
        clock.next_frame()
        self.progress[0] = clock.frame
        self._req_pause = clock.finished
