"""Compile an entry and all that it calls as one program: what only kernels call is no program of its own.

numba optimizes every function it compiles together with all that this one calls, and makes machine code of it, before
it looks at whoever called it: the innermost of six levels is worked on six times, and the machine code of five is never
run (measured: half the time that the simulator's kernels take). A part keeps the code as it was lowered; its entry
links each part once, and optimizes and translates all of it, once. Within an entry parts are private: two entries that
kept a shared part each would be given one of both by numba's linker, or none.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding as llvm
from llvmlite import ir as code
from llvmlite.ir import instructions as kinds
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

SMALL = 40
"""LLVM's price of a function, 225 by default, up to which ``_TightWhole`` writes it out where it is called."""


def take_indices_as_they_are(module: Any) -> None:
    """Leave out what numba does to each index: it adds an array's length to those below 0.

    Measured: a tenth of a training step, a fifth of the simulator's.
    """
    for function in module.functions:
        for block in function.blocks:
            for chosen in block.instructions:
                if isinstance(chosen, kinds.SelectInstr) and _wraps(*chosen.operands):
                    chosen.replace_usage(chosen.cond, code.Constant(code.IntType(1), 0))


def _wraps(negative: Any, moved: Any, index: Any) -> bool:
    """Whether a choice is what ``numba.cpython.slicing.fix_index`` writes: ``index + size`` where ``index < 0``."""
    return (
        isinstance(negative, kinds.ICMPInstr)
        and negative.op == "slt"
        and negative.operands[0] is index
        and getattr(moved, "opname", "") == "add"
        and moved.operands[0] is index
    )


class _Part(JITCodeLibrary):  # type: ignore[misc]
    """The code of one function, neither optimized as a whole nor turned into machine code; indices are as they are."""

    def add_ir_module(self, ir_module: Any) -> None:
        """Take code in, with its indices as they are."""
        take_indices_as_they_are(ir_module)
        super().add_ir_module(ir_module)

    def finalize(self) -> None:
        """Leave the code as it is, without that of the functions it calls."""
        self._finalize_dynamic_globals()
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        """The code as it is: a function that may be dropped where nobody has referred to it yet would be lost."""
        return self._final_module

    def get_pointer_to_function(self, name: str) -> int:
        """Nowhere: Python does not call it."""
        return 0

    @property
    def codegen(self) -> Any:
        """Whom numba tells the Python objects that a function refers to, through ``set_env``."""
        return self

    def set_env(self, name: str, env: Any) -> None:
        """There is no machine code that could ask for Python objects."""
        if env.consts:
            raise TypeError(f"{name} refers to Python objects, which a function inside compiled code cannot")


class _Whole(JITCodeLibrary):  # type: ignore[misc]
    """The code of an entry with that of all functions inside."""

    def finalize(self) -> None:
        """Link everything in, each function once, numba's own after those that call them."""
        found = dict.fromkeys(self._linking_libraries)
        waiting = list(found)
        while waiting:
            library = waiting.pop()
            if isinstance(library, _Part):
                new = [other for other in library._linking_libraries if other not in found]
                found.update(dict.fromkeys(new))
                waiting += new
        self._linking_libraries = sorted(found, key=lambda library: not isinstance(library, _Part))
        super().finalize()

    def _optimize_final_module(self) -> None:
        """Optimize, knowing that nobody else calls the functions inside."""
        self._hide_parts()
        super()._optimize_final_module()

    def _hide_parts(self) -> None:
        for library in self._linking_libraries:
            if isinstance(library, _Part):
                for function in library.get_defined_functions():
                    self._final_module.get_function(function.name).linkage = "internal"


class _LeanWhole(_Whole):
    """The same, optimized once: numba's first round is there for reference counts, which such code has none of.

    Its indices are taken as they are, too.
    """

    def add_ir_module(self, ir_module: Any) -> None:
        """Take code in, with its indices as they are."""
        take_indices_as_they_are(ir_module)
        super().add_ir_module(ir_module)

    def _optimize_final_module(self) -> None:
        self._hide_parts()
        passes, builder = self._codegen._module_pass_manager(opt=2)
        passes.run(self._final_module, builder)


class _TightWhole(_Whole):
    """The same in as little code as that: loops are written out once, and of functions only the smallest inside."""

    def _optimize_final_module(self) -> None:
        self._hide_parts()
        tuning = llvm.create_pipeline_tuning_options(speed_level=2)
        tuning.loop_vectorization, tuning.slp_vectorization = True, False
        tuning.loop_unrolling = tuning.loop_interleaving = False
        tuning.inlining_threshold = SMALL
        builder = llvm.create_pass_builder(self._codegen._tm, tuning)
        builder.getModulePassManager().run(self._final_module, builder)


class PartCompiler(Compiler):  # type: ignore[misc]
    """Numba's pipeline for functions without Python objects that use no index below 0, for ``pipeline_class``.

    Such a function cannot be called from Python: give ``no_cpython_wrapper`` and ``no_cfunc_wrapper`` with it.
    """

    def define_pipelines(self) -> Any:
        self.state.library = _Part(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        return super().define_pipelines()


class ApartCompiler(PartCompiler):
    """The same for a function whose arrays share no memory, which compilers need not ask at each call."""

    def define_pipelines(self) -> Any:
        self.state.flags.noalias = True
        return super().define_pipelines()


class EntryCompiler(Compiler):  # type: ignore[misc]
    """Numba's pipeline for what Python calls, where that calls parts; for ``pipeline_class``."""

    LIBRARY = _Whole

    def define_pipelines(self) -> Any:
        self.state.library = self.LIBRARY(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        self.state.library.enable_object_caching()
        return super().define_pipelines()


class LeanEntryCompiler(EntryCompiler):
    """The same for entries that allocate nothing and use no index below 0; some code is a few percent slower, some
    faster."""

    LIBRARY = _LeanWhole


class TightEntryCompiler(EntryCompiler):
    """The same in little code, a fifth less to compile; some entries run faster for it, others 1.1 times slower."""

    LIBRARY = _TightWhole
