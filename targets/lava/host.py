"""Holds lava-nc 0.10.0: shared memory under our own names, our dict of models, a word about whoever fails."""

# pyright: basic

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from multiprocessing import shared_memory
from pathlib import Path

import lava.magma.runtime.runtime as lava_runtime
from lava.magma.compiler.compiler import Compiler
from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
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

MODELS = {
    Conv: PyConvModelFixed,
    DelayDense: PyDelayDenseModelBitAcc,
    DelaySparse: PyDelaySparseModelBitAcc,
    Dense: PyDenseModelBitAcc,
    Sparse: PySparseModelBitAcc,
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
        self.stopping = False
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._name_shared_memory(prefix)
        ProcGroupDiGraphs._find_proc_models = staticmethod(lambda proc: [MODELS[type(proc)]])
        lava_runtime.target_fn = self._actor
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
        self.names = {id(builder): proc.name for proc, builder in executable.proc_builders.items()}
        self.stopping = False
        runtime.initialize()
        runtime.start(RunSteps(num_steps=MAX_TICKS if n_ticks is None else n_ticks))
        self.stopping = True
        runtime.stop()

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
                os.posix_fallocate(handle._fd, 0, handle.size)
            return handle

        SharedMemoryManager.create_shared_memory = create_and_reserve

    def _die_with_parent(self) -> None:
        if self._libc is not None:
            self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def _actor(self, *, builder, exception_q) -> None:
        """What each forked process runs instead of Lava's ``target_fn``: the same, with a word on failure."""
        with Telling(self.job, self.names.get(id(builder), "Lava's runtime service")):
            model = builder.build()
            exception_q.put(None)
            model.start()

    def _watch_actors(self) -> None:
        """End everything as soon as one process ends before its time: Lava itself would wait for ever."""
        lava_actor = lava_runtime.MessageInfrastructureFactory
        build = lava_actor.create

        def create(kind):
            infrastructure = build(kind)
            self.actors = infrastructure.actors
            return infrastructure

        lava_actor.create = create
        pause = threading.Event()
        while not pause.wait(0.1):
            for actor in () if self.stopping else tuple(self.actors):
                if not self.stopping and self._has_ended(actor.pid):
                    self._tell_of(actor)

    @staticmethod
    def _has_ended(pid) -> bool:
        try:
            return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def _tell_of(self, actor) -> None:
        self.fail("a Lava process", "ended before its time (killed, or no room in shared memory)")


class Telling:
    """Turns whatever leaves the block into ``error.json``, and lets it go on."""

    def __init__(self, job: Path, who: str) -> None:
        self.job, self.who = job, who

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is not None and not (isinstance(error, SystemExit) and not error.code):
            write_error(self.job, self.who, f"{kind.__name__}: {error}", "".join(traceback.format_exception(error)))


def write_error(job: Path, who: str, what: str, detail: str = "") -> None:
    """Write ``error.json`` unless one is there: the first failure is the cause."""
    try:
        with open(job / "error.json", "x") as file:
            json.dump({"who": who, "what": " ".join(what.split()), "detail": detail}, file)
    except FileExistsError:
        pass
