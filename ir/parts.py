"""Compile an entry and all that it calls as one program: what only kernels call is no program of its own.

numba optimizes every function it compiles together with all that this one calls, and makes machine code of it, before
it looks at whoever called it: the innermost of six levels is worked on six times, and the machine code of five is never
run (measured: half the time that the simulator's kernels take). A part keeps the code as it was lowered; its entry
optimizes and translates all of it, once.
"""

from __future__ import annotations

from typing import Any, Literal

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


class _NoEngine:
    """What stands for the code generator of functions that have no address."""

    def set_env(self, name: str, env: Any) -> None:
        """Forget where constants of Python lie: an entry kept on disk runs its parts without them, too."""


class _PartLibrary(JITCodeLibrary):  # type: ignore[misc]
    """Code that others link, which is never run by itself."""

    def _optimize_final_module(self) -> None:
        """Leave that to the entry."""

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: no machine code was made."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Any:
        return _NoEngine()


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerPart(NativeLowering):  # type: ignore[misc]
    _name = "lower_part"

    def run_pass(self, state: Any) -> Literal[True]:
        """Lower into a library that is not finished."""
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().run_pass(state)


class PartCompiler(CompilerBase):  # type: ignore[misc]
    """numba's passes for functions without Python objects, the last one replaced; for ``pipeline_class``.

    Such a function cannot be called from Python: give ``no_cpython_wrapper`` and ``no_cfunc_wrapper`` with it.
    """

    def define_pipelines(self) -> list[Any]:
        """Put the passes together."""
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [(_LowerPart if step is NativeLowering else step, what) for step, what in pipeline.passes]
        pipeline.finalize()
        return [pipeline]
