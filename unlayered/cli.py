"""The command line: verbs in, exit codes out; every error is one sentence."""

from __future__ import annotations

import os
import select
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from ir.check import DeadlockError, GradientWarning, SlowerWarning, TargetError, sentence
from unlayered.__main__ import main
from unlayered.compiling import tell_of_compiling
from unlayered.help import Verb, help_of, without_types
from unlayered.interruption import has_spoken, how_to_go_on, who
from unlayered.verbs.check import check
from unlayered.verbs.chips import chips
from unlayered.verbs.compare import compare
from unlayered.verbs.completion import COMPLETE, completion
from unlayered.verbs.demo import demo
from unlayered.verbs.diff import diff
from unlayered.verbs.doctor import doctor
from unlayered.verbs.experiments import experiments
from unlayered.verbs.export import export
from unlayered.verbs.fit_schedule import fit_schedule
from unlayered.verbs.inspect import inspect
from unlayered.verbs.map import map_
from unlayered.verbs.report import report
from unlayered.verbs.run import run
from unlayered.verbs.sweep import sweep
from unlayered.verbs.train import train
from unlayered.verbs.verify import verify

FINE, DIFFERENT, BAD_INPUT, TARGET_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes, the same for every verb."""

READER_GONE = 141
"""As a shell says of a program that wrote to ``head`` after it had read enough; nothing is said then."""

NO_MEMORY = (
    "allocate memory",
    "not enough memory",
    "out of memory",
    "storage size calculation overflowed",
    "bad_alloc",
)
"""What torch says, as a RuntimeError, where memory is short."""

MAX_WHY = 200
"""Characters of what torch says that are told."""

__all__ = ["app", "main"]


class Verbs(TyperGroup):
    """Turns what a verb raises into one sentence and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """The whole command; --help and --version print before any verb runs."""
        try:
            return super().main(*args, **extra)
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # click says 1, which is "different" here
                raise SystemExit(READER_GONE) from None
            raise
        except OSError as error:
            _say(f"{error.strerror or error}; choose another place for the output")
            sys.exit(BAD_INPUT)

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        with _warnings_as_sentences():
            return super().invoke(ctx) if os.environ.get("UNLAYERED_TRACEBACK") else self._invoke(ctx)

    def _invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TargetError as error:
            _end(error, TARGET_FAILED)
        except DeadlockError as error:
            _end(error, DIFFERENT)
        except MemoryError as error:
            _no_memory(error)
        except RuntimeError as error:  # torch has no MemoryError of its own
            if not any(words in str(error).lower() for words in NO_MEMORY):
                raise
            _no_memory(error)
        except OSError as error:
            if isinstance(error, BrokenPipeError) and _nobody_reads():
                raise
            where = f"{error.filename}: " if error.filename else ""
            _end(f"{where}{error.strerror or error}; choose another file or folder", BAD_INPUT)
        except ValueError as error:
            _end(error, BAD_INPUT)
        except KeyboardInterrupt:
            _end(f"interrupted{how_to_go_on()}", INTERRUPTED)


@contextmanager
def _warnings_as_sentences() -> Generator[None, None, None]:
    """Inside, a warning of ours is one line, without the path and the line of source that Python adds."""
    with warnings.catch_warnings():
        as_python_does = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, (SlowerWarning, GradientWarning)):
                _say(message)
            else:
                as_python_does(message, category, *where, **more)

        warnings.showwarning = show
        yield


def _no_memory(error: BaseException) -> NoReturn:
    why = " ".join(str(error).split())[:MAX_WHY] or "an allocation failed"
    _end(f"there is not enough memory ({why}); use fewer samples, smaller batches or a smaller network", BAD_INPUT)


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose other end is closed."""
    if not hasattr(select, "poll"):  # on Windows
        return False
    output = select.poll()
    output.register(1, 0)
    return any(happened & select.POLLERR for _, happened in output.poll(0))


def _end(what: object, code: int) -> NoReturn:
    _say(what)
    has_spoken()
    raise typer.Exit(code)


def _say(what: object) -> None:
    with suppress(OSError):  # where nothing can be said, the exit code still says it
        print(f"{who()}: {sentence(what)}", file=sys.stderr)  # a living bar's own stream, which moves it out of the way


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"unlayered {version('unlayered')}")
        raise typer.Exit


@app.callback()
def front(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Train spiking networks with the chip's asynchrony, map them, run them on Lava, and prove that nothing changed.

    [bold]Start here[/bold]

      unlayered demo                        the whole road, with a report

    [bold]Step by step[/bold]

      unlayered train --preset digits --out net
      unlayered map net --chip loihi2 --out mapped.npz
      unlayered run mapped.npz --on reference --data digits --out a.npz
      unlayered run mapped.npz --on lava --data digits --out b.npz
      unlayered compare a.npz b.npz         equal, spike for spike?
      unlayered report net mapped.npz a.npz b.npz

    Add --samples 50 to both runs for a quick look; --json anywhere for programs.

    [bold]Exit codes[/bold]: 0 fine, 1 different, 2 bad input, 3 Lava, --workers or another rank absent or lost.
    UNLAYERED_TRACEBACK=1 shows the traceback behind an error.
    """
    tell_of_compiling()


for _name, _verb in (
    ("demo", demo),
    ("train", train),
    ("map", map_),
    ("run", run),
    ("compare", compare),
    ("diff", diff),
    ("sweep", sweep),
    ("report", report),
    ("inspect", inspect),
    ("check", check),
    ("export", export),
    ("verify", verify),
    ("fit-schedule", fit_schedule),
    ("experiments", experiments),
    ("chips", chips),
    ("doctor", doctor),
    ("completion", completion),
):
    app.command(_name, cls=Verb, help=help_of(_verb))(_verb)

if COMPLETE in os.environ:  # a shell asks; typer's shells are loaded only then
    from typer.completion import completion_init

    completion_init()
