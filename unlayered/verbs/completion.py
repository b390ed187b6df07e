"""``unlayered completion``: what a shell runs so that the Tab key completes verbs and options."""

from __future__ import annotations

from typing import Annotated

import typer

from ir.check import check_choice

SHELLS = ("bash", "zsh", "fish")


def completion(shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Print a script that makes the Tab key complete verbs, options and file names.

    Put its output where your shell reads it: eval "$(unlayered completion bash)" in ~/.bashrc, the same with zsh in
    ~/.zshrc behind compinit; for fish, ~/.config/fish/completions/unlayered.fish.

      unlayered completion bash
      unlayered completion zsh
      unlayered completion fish
    """
    from typer.completion import get_completion_script

    check_choice("shell", shell, SHELLS)
    typer.echo(get_completion_script(prog_name="unlayered", complete_var=COMPLETE, shell=shell))


COMPLETE = "_UNLAYERED_COMPLETE"
"""The variable through which the script asks the command what may follow."""
