"""Holds lava-nc 0.10.0: shared memory under our own names, our dict of models, a word about whoever fails."""

# pyright: basic, reportAssignmentType=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false

from __future__ import annotations

import ctypes
import errno
import multiprocessing
import os
import signal
import sys
import threading
from contextlib import ContextDecorator
from multiprocessing import shared_memory

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
from targets.lava.processes.layered import FrameSource, PyFrameSource
from targets.lava.processes.lif import ProbedLIF, PyProbedLIF
from targets.lava.processes.own import OwnNeurons, PyOwnNeurons
from targets.lava.processes.per_core import (
    ControllerProcess,
    CoreQueueProcess,
    PyControllerProcess,
    PyCoreQueueProcess,
)
from targets.lava.processes.sigma_delta import OF_PROCESS
from targets.lava.words import failure

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
    OwnNeurons: PyOwnNeurons,
    ProbedLIF: PyProbedLIF,
    **OF_PROCESS,
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
NO_DISK = "no room in the temporary folder; free some space or set TMPDIR"


class Host:
    """Runs graphs of processes, one after the other, in this interpreter.

    Args:
        prefix: start of the names of all shared memory and semaphores.
    """

    def __init__(self, prefix: str) -> None:
        self.actors = []
        self.names = {}
        self.runtime: lava_runtime.Runtime | None = None
        self.finished = threading.Event()
        self.watcher: threading.Thread | None = None
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._name_shared_memory(prefix)
        ProcGroupDiGraphs._find_proc_models = staticmethod(lambda proc: [MODELS[type(proc)]])
        lava_runtime.target_fn = self._actor
        MultiProcessing.build_actor = self._build_actor(MultiProcessing.build_actor)
        os.register_at_fork(after_in_child=self._die_with_parent)

    def run(self, process, n_ticks: int | None = None) -> None:
        """Compile the graph around ``process`` and run it.

        Args:
            n_ticks: None = until a process asks for a pause.
        """
        executable = Compiler({"pypy_channel_size": CHANNEL_SIZE}).compile(process, Loihi2SimCfg(select_tag="fixed_pt"))
        self.runtime = lava_runtime.Runtime(executable, ActorType.MultiProcessing)
        executable.assign_runtime_to_all_processes(self.runtime)
        self.actors = []
        self.names = {id(builder): f"process {proc.name!r}" for proc, builder in executable.proc_builders.items()}
        self.finished.clear()
        self.watcher = threading.Thread(target=self._watch_actors, daemon=True)
        self.watcher.start()
        try:
            self.runtime.initialize()
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise OSError(error.errno, NO_ROOM) from error
            raise
        self.runtime.start(RunSteps(num_steps=MAX_TICKS if n_ticks is None else n_ticks))

    def stop(self) -> None:
        """End the graph's processes, which hold nothing that is still needed.

        They are killed: Lava's own stop waits for an answer of each, and its selector may miss a command that comes
        while another waits.
        """
        assert self.runtime is not None and self.watcher is not None
        infrastructure = self.runtime._messaging_infrastructure
        assert infrastructure is not None
        self.finished.set()
        self.watcher.join()
        for pid, _ in self.actors:
            os.kill(pid, signal.SIGKILL)
        self.runtime.join()
        self.runtime._is_started = False
        infrastructure.stop()
        self.runtime = None

    def _name_shared_memory(self, prefix: str) -> None:
        shared_memory._SHM_NAME_PREFIX = f"/{prefix}"
        shared_memory._SHM_SAFE_NAME_LENGTH = len(prefix) + 17
        # Names of semaphores; sockets lie in the working folder, the run's own, which goes however the run ends.
        multiprocessing.current_process()._config.update(semprefix=f"/{prefix}", tempdir=os.curdir)
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
        telling = Telling(self.names.get(id(builder), SERVICE))
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
        """Notice in a thread of its own what Lava never notices: a process that ends while the graph runs."""
        while not self.finished.wait(0.1):
            for pid, name in tuple(self.actors):
                try:
                    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                except ChildProcessError:  # gathered: after a failure that was told, or at the next one's start
                    failure(name, "it ended early")
                    return
                if ended is not None:
                    failure(name, _how(ended.si_code, ended.si_status))
                    return


def _how(code: int, status: int) -> str:
    if code == os.CLD_EXITED:
        return f"it ended early with code {status}"
    return NO_ROOM if status == signal.SIGBUS else f"it was killed by signal {status}"


class Telling(ContextDecorator):
    """Tells the parent what leaves the block, or the function it decorates, and lets it go on."""

    def __init__(self, who: str) -> None:
        self.who = who

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            return
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            failure(self.who, NO_ROOM if error.strerror == NO_ROOM else NO_DISK)
        else:
            failure(self.who, f"{kind.__name__}: {error}")
