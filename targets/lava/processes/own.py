"""Our own neurons under the layered schedule: the dynamics of any model, with the ports of Lava's LIF."""

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


class OwnNeurons(AbstractProcess):
    """A population whose model Lava has no process for.

    Args:
        neurons: a ``targets.lava.group.Neurons`` whose depths are 0.
        probe: a ``targets.lava.probe.Probe``.
    """

    def __init__(self, *, name, neurons, probe):
        super().__init__(name=name, neurons=neurons, probe=probe)
        self.a_in = InPort(shape=(neurons.n,))
        self.s_out = OutPort(shape=(neurons.n,))


@implements(proc=OwnNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyOwnNeurons(PyLoihiProcessModel):
    """One time step in each tick that has one (``probe.rows``); in others nothing moves and nothing is sent."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.neurons = proc_params["neurons"]
        self.probe = proc_params["probe"]

    def run_spk(self):
        a = self.a_in.recv()
        row = self.probe.rows[self.time_step - 1]
        sent = np.zeros(self.neurons.n, np.int32)
        if row >= 0:
            again = self.probe.sent_again(row)
            sent = self._step(row, a) if again is None else again
        self.s_out.send(sent.astype(np.int32))

    def _step(self, row, a):
        """One time step of the run; what its spikes carry."""
        if self.probe.begins(row):
            self.neurons.start(self.probe.states_before(row))
        self.neurons.begin(self.probe.time_of(row))
        fired, m = self.neurons.step(0, a.astype(np.int64))
        sent = self.neurons.sent(fired)
        self.probe.spikes(row, fired, m, sent)
        self.neurons.write(self.probe.states, row)
        write_reached(self.neurons.reached, self.probe.limits)
        return sent
