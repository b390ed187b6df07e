"""Holds lava-nc 0.10.0: shared memory under our own names, our dict of models, a word about whoever fails."""

# pyright: basic, reportAssignmentType=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false

from __future__ import annotations

import ctypes
import errno
import json
import math
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from contextlib import ContextDecorator, suppress
from multiprocessing import shared_memory
from pathlib import Path

import lava.magma.runtime.runtime as lava_runtime
from lava.magma.compiler.compiler import Compiler
from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.runtime.message_infrastructure.multiprocessing import MultiProcessing
from lava.magma.runtime.message_infrastructure.shared_memory_manager import SharedMemoryManager
from lava.proc.conv.models import PyConvModelFixed
from lava.proc.conv.process import Conv
from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.sparse.models import PyDelaySparseModelBitAcc, PySparseModelBitAcc
from lava.proc.sparse.process import DelaySparse, Sparse

from targets.lava.processes.asynchronous import (
    Feeder,
    NeuronProcess,
    PyFeeder,
    PyNeuronProcess,
    PyQueueProcess,
    PySynapseProcess,
    QueueProcess,
    SynapseProcess,
)
from targets.lava.processes.layered import FrameSource, ProbedLIF, PyFrameSource, PyProbedLIF
from targets.lava.processes.per_core import (
    ControllerProcess,
    CoreQueueProcess,
    PyControllerProcess,
    PyCoreQueueProcess,
)

MODELS = {
    Conv: PyConvModelFixed,
    DelayDense: PyDelayDenseModelBitAcc,
    DelaySparse: PyDelaySparseModelBitAcc,
    Dense: PyDenseModelBitAcc,
    Sparse: PySparseModelBitAcc,
    ControllerProcess: PyControllerProcess,
    CoreQueueProcess: PyCoreQueueProcess,
    Feeder: PyFeeder,
    FrameSource: PyFrameSource,
    NeuronProcess: PyNeuronProcess,
    ProbedLIF: PyProbedLIF,
    QueueProcess: PyQueueProcess,
    SynapseProcess: PySynapseProcess,
}
"""Process to model; Lava would search folders and execute every file in them instead."""

MAX_TICKS = (1 << 31) - 1
CHANNEL_SIZE = 4
"""Messages a channel holds; one tick needs one, Lava's default of 64 wastes shared memory."""

PR_SET_PDEATHSIG = 1
SERVICE = "the runtime service"
NO_ROOM = "no room in shared memory; enlarge /dev/shm (docker: --shm-size) or run a smaller network"
STOP_LIMIT_S = 10.0
"""How long a finished graph's processes may take to end before they are killed."""


class Host:
    """Runs graphs of processes, one after the other, in this interpreter.

    Args:
        job: folder that takes ``error.json``.
        prefix: start of the names of all shared memory and semaphores.
    """

    def __init__(self, job: Path, prefix: str) -> None:
        self.job = job
        self.actors = []
        self.names = {}
        self.runtime: lava_runtime.Runtime | None = None
        self.stopping = math.inf
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._name_shared_memory(prefix)
        ProcGroupDiGraphs._find_proc_models = staticmethod(lambda proc: [MODELS[type(proc)]])
        lava_runtime.target_fn = self._actor
        MultiProcessing.build_actor = self._build_actor(MultiProcessing.build_actor)
        os.register_at_fork(after_in_child=self._die_with_parent)
        threading.Thread(target=self._watch_actors, daemon=True).start()

    def run(self, process, n_ticks: int | None = None) -> None:
        """Compile the graph around ``process`` and run it.

        Args:
            n_ticks: None = until a process asks for a pause.
        """
        executable = Compiler({"pypy_channel_size": CHANNEL_SIZE}).compile(process, Loihi2SimCfg(select_tag="fixed_pt"))
        runtime = lava_runtime.Runtime(executable, ActorType.MultiProcessing)
        executable.assign_runtime_to_all_processes(runtime)
        self.actors = []
        self.names = {id(builder): f"process {proc.name!r}" for proc, builder in executable.proc_builders.items()}
        self.stopping = math.inf
        runtime.initialize()
        runtime.start(RunSteps(num_steps=MAX_TICKS if n_ticks is None else n_ticks))
        self.runtime = runtime
        self.stopping = time.monotonic()

    def stop(self) -> None:
        """End the graph's processes."""
        assert self.runtime is not None
        self.runtime.stop()
        self.actors = []
        self.runtime = None

    def fail(self, who: str, what: str, detail: str = "") -> None:
        """Leave the first word about a failure, then end the whole process group."""
        write_error(self.job, who, what, detail)
        os.killpg(os.getpgrp(), signal.SIGTERM)

    def _name_shared_memory(self, prefix: str) -> None:
        shared_memory._SHM_NAME_PREFIX = f"/{prefix}"
        shared_memory._SHM_SAFE_NAME_LENGTH = len(prefix) + 17
        multiprocessing.current_process()._config["semprefix"] = f"/{prefix}"
        create = SharedMemoryManager.create_shared_memory

        def create_and_reserve(manager, size):
            handle = create(manager, size)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle._fd, 0, handle.size)  # an error now, not a SIGBUS later
            return handle

        SharedMemoryManager.create_shared_memory = create_and_reserve

    def _die_with_parent(self) -> None:
        if self._libc is not None:
            self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def _actor(self, *, builder, exception_q) -> None:
        """What each forked process runs instead of Lava's ``target_fn``: the same, with a word on failure."""
        telling = Telling(self.job, self.names.get(id(builder), SERVICE))
        with telling:
            model = builder.build()
            # Lava stops the other processes before it lets an exception out of this one: tell it first.
            handlers = getattr(model, "_cmd_handlers", {})
            handlers.update({command: telling(handler) for command, handler in handlers.items()})
            exception_q.put(None)
            model.start()

    def _build_actor(self, build):
        """Lava's ``build_actor``, which also notes who was forked."""

        def build_and_note(infrastructure, target, builder, exception_q=None):
            actor = build(infrastructure, target, builder, exception_q)
            self.actors.append((actor.pid, self.names.get(id(builder), SERVICE)))
            return actor

        return build_and_note

    def _watch_actors(self) -> None:
        """Notice in a thread of its own what Lava never notices: a process that ended early, or does not end."""
        pause = threading.Event()
        while not pause.wait(0.1):
            for pid, name in tuple(self.actors):
                ended = _ended(pid)
                if ended is not None and time.monotonic() < self.stopping:
                    self.fail(name, _how(ended))
                elif ended is None and time.monotonic() > self.stopping + STOP_LIMIT_S:
                    os.kill(pid, signal.SIGKILL)


def _ended(pid: int) -> tuple[int, int] | None:
    """(code, status) of a child that has ended and is left to be reaped; None while it lives."""
    try:
        result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return os.CLD_EXITED, 0
    return None if result is None else (result.si_code, result.si_status)


def _how(ended: tuple[int, int]) -> str:
    code, status = ended
    if code == os.CLD_EXITED:
        return f"it ended early with code {status}"
    return NO_ROOM if status == signal.SIGBUS else f"it was killed by signal {status}"


class Telling(ContextDecorator):
    """Turns whatever leaves the block, or the function it decorates, into ``error.json``, and lets it go on."""

    def __init__(self, job: Path, who: str) -> None:
        self.job, self.who = job, who

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is not None and not (isinstance(error, SystemExit) and not error.code):
            no_room = isinstance(error, OSError) and error.errno == errno.ENOSPC
            what = NO_ROOM if no_room else f"{kind.__name__}: {error}"
            write_error(self.job, self.who, what, "".join(traceback.format_exception(error)))


def write_error(job: Path, who: str, what: str, detail: str = "") -> None:
    """Write ``error.json``, whole at once, unless one is there: the first failure is the cause."""
    text = json.dumps({"who": who, "what": " ".join(what.split()), "detail": detail})
    with tempfile.NamedTemporaryFile("w", dir=job, suffix=".error") as file, suppress(FileExistsError):
        file.write(text)
        file.flush()
        os.link(file.name, job / "error.json")
