"""The recipes of docs/scale.md: Slurm's is run with certificates on this machine, Kubernetes' words are Dask's own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.printed.lines import BLOCKS
from tests.unlayered.cluster.test_verbs import many
from tests.unlayered.verbs import call

ROOT = Path(__file__).parents[3]
SRUN = """#!/bin/bash
# as many times as --ntasks says, here
for word; do case $word in --ntasks=*) n=${word#*=}; shift;; --exact) shift;; *) break;; esac; done
for ((i = 1; i < n; i++)); do "$@" & done
"$@"
"""


def block_of(first: str, inside: str) -> str:
    """The block of the page that begins with ``first`` and says ``inside``."""
    (found,) = (b.text for b in BLOCKS if b.where == "scale.md" and b.first.startswith(first) and inside in b.text)
    return found


def commands_at(folder: Path) -> None:
    """``srun``, and what is installed on every node."""
    folder.mkdir()
    modules = {"dask": "-m dask", "python": "", "unlayered": "-m unlayered"}
    scripts = {name: f'#!/bin/bash\nexec {sys.executable} {words} "$@"\n' for name, words in modules.items()}
    for name, text in {**scripts, "srun": SRUN}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


@pytest.mark.timeout(300)
def test_slurms_recipe_leaves_the_file_of_one_process_over_tls(folder: Path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes certificates, is not installed")
    words = "run", "mapped.npz", "--on", "reference", "--data", "frames.npz"
    many(folder, 90).rename(folder / "frames.npz")
    one = [str(folder / word) if word.endswith(".npz") else word for word in words]
    assert call(*one, "--out", folder / "one.npz").exit_code == 0
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=unlayered -keyout key.pem -out cert.pem"
    subprocess.run(shlex.split(made), cwd=folder, check=True, capture_output=True)
    settings = block_of("distributed:", "require-encryption").replace("ca.pem", "cert.pem")
    (folder / "dask.yaml").write_text(re.sub(r"\b(\w+\.pem)", lambda x: str(folder / x[1]), settings))
    script = block_of("#!/bin/bash", "dask scheduler").replace("=15", "=2").replace("(15)", "(2)")
    script = script.replace("--port 8786", "--port 0 --host 127.0.0.1")  # one that is free
    commands_at(folder / "bin")
    env = {
        **os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "DASK_CONFIG": str(folder),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }  # fmt: skip
    with (folder / "said").open("w") as said:
        job = subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=env, stdout=said, stderr=said, start_new_session=True
        )
        try:
            code = job.wait(240)
        finally:  # as Slurm ends what a job has left running
            os.killpg(job.pid, signal.SIGKILL)
    assert code == 0, (folder / "said").read_text()[-3000:]
    assert "tls://127.0.0.1:" in (folder / "scheduler.json").read_text()
    assert (folder / "one.npz").read_bytes() == (folder / "trace.npz").read_bytes()


@pytest.mark.parametrize("inside", ["dask scheduler", "torchrun"])
def test_a_recipe_for_slurm_is_a_script(inside: str):
    subprocess.run(["bash", "-n"], input=block_of("#!/bin/bash", inside), text=True, check=True)


def test_the_recipe_for_kubernetes_gives_words_that_dask_knows():
    yaml = pytest.importorskip("yaml")
    from distributed.cli.dask_scheduler import main as scheduler
    from distributed.cli.dask_worker import main as worker

    deployment: Any = yaml.safe_load(block_of("apiVersion: apps/v1", "dask-worker"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    told = re.search(r"`command: (\[dask, scheduler.*?\])`", (ROOT / "docs/scale.md").read_text())
    assert told is not None
    for name, command, words in (
        ("worker", worker, container["command"]),
        ("scheduler", scheduler, yaml.safe_load(told[1])),
    ):
        assert words[:2] == ["dask", name]
        command.make_context(name, list(words[2:]))  # raises where Dask knows a word no longer
    mounted = {volume["name"] for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    assert mounted == {mount["name"] for mount in container["volumeMounts"]}
