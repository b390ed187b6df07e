"""The layered schedule's source of frames."""

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
