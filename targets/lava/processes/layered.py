"""The layered schedule's ends: a source of frames, and stock LIF with a probe and resets between samples."""

# pyright: basic, reportAssignmentType=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import PyLifModelBitAcc
from lava.proc.lif.process import LIF


class FrameSource(AbstractProcess):
    """Sends row ``rows[tick]`` of ``frames``, zeros where the row is -1.

    Args:
        frames: (n_rows, n) counts.
        rows: (ticks,) which row each tick sends.
        progress: shared (2,): frames done, ticks; or None.
    """

    def __init__(self, *, name, frames, rows, progress):
        super().__init__(name=name, frames=frames, rows=rows, progress=progress)
        self.s_out = OutPort(shape=(frames.shape[1],))


@implements(proc=FrameSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyFrameSource(PyLoihiProcessModel):
    """A row a tick."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.frames = proc_params["frames"]
        self.rows = proc_params["rows"]
        self.progress = proc_params["progress"]
        self.nothing = np.zeros(self.frames.shape[1], np.int32)

    def run_spk(self):
        row = self.rows[self.time_step - 1]
        self.s_out.send(self.frames[row] if row >= 0 else self.nothing)
        if self.progress is not None:
            self.progress[:] = max(row, self.progress[0]), self.time_step


class ProbedLIF(LIF):
    """Lava's ``LIF`` with a ``targets.lava.probe.Probe``.

    Between samples (``probe.rows`` = -1) the neurons are held at zero; ``probe.clears`` sets u = v = 0
    before the dynamics, as ``LIFReset`` does. In all other ticks the stock model's own code runs.
    """

    def __init__(self, *, probe, **kwargs):
        super().__init__(probe=probe, **kwargs)


class PyProbedLIF(PyLifModelBitAcc):
    """Hooks around the stock model's own steps; protocol, resource and tags are inherited."""

    implements_process = ProbedLIF

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.probe = proc_params["probe"]
        self.row = -1

    def run_spk(self):
        self.row = self.probe.rows[self.time_step - 1]
        if self.row < 0 or self.probe.clears[self.time_step - 1]:
            self.u[:] = 0
            self.v[:] = 0
        super().run_spk()
        if self.row >= 0:
            self.probe.after(self.row, self.u, self.v)

    def scale_bias(self):
        super().scale_bias()
        if self.row < 0:
            self.effective_bias = np.zeros_like(self.effective_bias)

    def subthr_dynamics(self, activation_in):
        if self.row < 0:
            activation_in = np.zeros_like(activation_in)
        u, v = self.u.astype(np.int64), self.v.astype(np.int64)
        super().subthr_dynamics(activation_in)
        if self.row >= 0:
            self.probe.count_limits(u, v, activation_in.astype(np.int64), self.u, self.effective_bias)
        if self.probe.v_min is not None:
            np.maximum(self.v, self.probe.v_min, out=self.v)

    def reset_voltage(self, spike_vector):
        if self.row >= 0:
            self.probe.before_reset(self.row, spike_vector, self.v)
        if self.probe.subtract:
            self.v[:] = np.where(spike_vector, self.v - self.effective_vth, self.v)
        else:
            super().reset_voltage(spike_vector)
