"""Printed commands that the suite does not run: those of `make docs-slow`, and those that something else stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAMES_A_VERB = re.compile(
    r"unlayered (run|compare|diff|sweep|inspect|map|train|check|export|verify)( mapped\.npz --on lava| --device cuda)?$"
)
"""Fragments of sentences; whole commands are run."""


@dataclass(frozen=True)
class Slow:
    """How `make docs-slow` runs a command.

    Attributes:
        shorter: what is run in its place, of the same program with smaller numbers; empty = as it is printed.
        needs: ``data`` (the folder of UNLAYERED_DATA), ``gpu``, or an environment of tests/interop/environments.sh.
        codes: exit codes that are right; a short training need not reach what the full one shows.
    """

    shorter: str = ""
    needs: str = ""
    codes: tuple[int, ...] = (0,)


TRAINER = "python benchmarks/trainer.py --quick"
MAPPER = "python benchmarks/mapper.py --only vgg-large"
CAPACITY = "python benchmarks/capacity.py --only words"
FAULTS = "python -m tests.faults.rig --faults 8 --seed 1"
EDGES = "PYTHONPATH=.fuzz python -m tests.fuzz.edges --quiet 1 --most 1 --reader chip.toml"
FUZZ = "python -m tests.fuzz.readers --seconds 24"
CLOCKLESS = "python experiments/clockless.py --data digits --samples 200 --test-samples 20 --epochs 1 --tune-epochs 1"
MISMATCH = Slow("python examples/mismatch.py --epochs 2 --seeds 1", "data", (0, 1))
NMNIST = Slow("python experiments/nmnist.py --samples 500 --test-samples 100 --epochs 1", "data", (0, 1))
DEMO = Slow("unlayered demo --quick --seed 1 --out look --json")
CROSSCHECK = Slow("python -m tests.interop.crosscheck nengo-loihi brian2-loihi --count 5", "nengo-loihi")
EXPERIMENTS = Slow("make experiments-quick", "data")
INTEROP = Slow("python -m tests.interop.compare --count 2 && python -m tests.interop.netx --count 5", "lava-dl")

SLOW: dict[str, Slow] = {
    "unlayered demo": DEMO,
    "unlayered demo --quick --seed 1 --out look --json": DEMO,
    "unlayered demo --quick --out /tmp/look": DEMO,
    "make demo": DEMO,
    "make picture": Slow(),
    "make commands": Slow(),
    "make configuration": Slow(),
    "make crosscheck": CROSSCHECK,
    "make interop": INTEROP,
    "make priced": Slow("python -m tests.interop.priced", "sanafe"),
    "make fuzz": Slow(FUZZ),
    "make fuzz-quick": Slow(FUZZ),
    "make fuzz-edges": Slow(f"tools/atheris.sh && {EDGES}"),
    "make faults": Slow(FAULTS),
    "python -m tests.faults.rig --faults N --seed S": Slow(FAULTS),
    "python -m tests.faults.rig --faults 200 --seed 7": Slow(FAULTS),
    "python examples/make_models.py": Slow(),
    "python examples/mismatch.py": MISMATCH,
    "python examples/order_free.py": Slow("python examples/order_free.py --epochs 1 --seeds 1"),
    "python experiments/nmnist.py": NMNIST,
    "python experiments/clockless.py": Slow(f"{CLOCKLESS} --seeds 0 --only layered --rows-only"),
    "python experiments/frame_period.py FOLDER...": Slow(
        f"{CLOCKLESS} --seeds 0 --only layered --rows-only && "
        "python experiments/frame_period.py runs/clockless/layered-0 --data digits --samples 20"
    ),
    "python experiments/receivers.py FOLDER": Slow(
        "python experiments/clockless.py --samples 200 --test-samples 20 --epochs 1 --tune-epochs 1 --seeds 0 "
        "--only fifo 'tuned as fitted' --rows-only && "
        "python experiments/receivers.py runs/clockless --seeds 0 --samples 200 --epochs 1 --test-samples 20",
        "data",
    ),
    "python experiments/gamma_credit.py": Slow("python experiments/gamma_credit.py --samples 16"),
    "python experiments/coincidence.py FOLDER": Slow(
        "python experiments/coincidence.py runs/coincidence --only trace --epochs 1 --samples 512"
    ),
    "unlayered train --preset spiking-gamma-coincidence": Slow(
        "unlayered train --preset spiking-gamma-coincidence --epochs 1 --set limit=512 --out runs/coincidence-preset"
    ),
    "unlayered experiments run experiments/gamma_shd.py": Slow(
        "unlayered experiments run experiments/gamma_shd.py --quick --rows runs/gamma-shd", "data"
    ),
    "unlayered experiments report experiments/gamma_shd.py --out experiments/gamma_shd.md": Slow(
        "unlayered experiments run experiments/gamma_shd.py --quick --rows runs/gamma-shd && unlayered experiments "
        "report experiments/gamma_shd.py --quick --rows runs/gamma-shd --out runs/gamma-shd/gamma_shd.md",
        "data",
    ),
    "unlayered train --preset spiking-gamma-nmnist --set limit=6000": Slow(
        "unlayered train --preset spiking-gamma-nmnist --epochs 1 --set limit=200 --out runs/nmnist-preset", "data"
    ),
    "python experiments/gamma_equal.py FOLDER --lava gamma-64": Slow(
        "python experiments/gamma_equal.py runs/equal --only gamma-32 --seeds 1"
    ),
    "unlayered train --preset spiking-gamma-shd": Slow(
        "unlayered train --preset spiking-gamma-shd --epochs 1 --set limit=200 --out runs/shd-preset", "data"
    ),
    "python experiments/imported.py": Slow(
        "python experiments/imported.py --seeds 1 --samples 200 --epochs 1 --tuning-samples 200 --tuning-epochs 1 "
        "--exact-samples 2 --cases mlp-mnist",
        "data",
        (0, 1),
    ),
    "python experiments/mnist_currents.py": Slow(
        "python experiments/mnist_currents.py --samples 500 --test-samples 50 --epochs 1 --lava 10", "data"
    ),
    "unlayered experiments run experiments/settled.py": EXPERIMENTS,
    "unlayered experiments run experiments/nmnist_like.py": EXPERIMENTS,
    "unlayered experiments run experiments/shd_like_recurrent.py": EXPERIMENTS,
    "unlayered experiments run experiments/nmnist_like.py --only controls:": EXPERIMENTS,
    "unlayered experiments run FILE --most 1": EXPERIMENTS,
    "make experiments-quick": EXPERIMENTS,
    "python -m experiments.plantings --epochs 12": Slow(
        "python -m experiments.plantings --epochs 2 --samples 10 --plantings 2", codes=(0, 1)
    ),
    "python -m experiments.remedies": Slow(
        "python -m experiments.remedies --only digits-mlp --seeds 0 --epochs 1", codes=(0, 1)
    ),
    "python benchmarks/trainer.py --quick": Slow(),
    "python benchmarks/trainer.py": Slow(TRAINER),
    "python benchmarks/trainer.py --device cuda": Slow("", "gpu"),
    "python benchmarks/truncated.py": Slow(),
    "python benchmarks/timed.py": Slow("python benchmarks/timed.py --most 1e5"),
    "python benchmarks/mapper.py": Slow(MAPPER),
    "python benchmarks/mapper.py [--only NAME] [--json FILE]": Slow(MAPPER),
    "python benchmarks/mapper.py --only boards": Slow(MAPPER),
    "python benchmarks/mapper.py --only pooled [--network NAME]": Slow(
        "python benchmarks/mapper.py --only pooled --network lenet"
    ),
    "python benchmarks/quantization.py --only digits": Slow(
        "python benchmarks/quantization.py --only digits.layered --seeds 1"
    ),
    "python benchmarks/mapper.py --only seeds": Slow("python benchmarks/seed_rows.py --seeds 1 --only vgg-large"),
    "python benchmarks/capacity.py": Slow(CAPACITY, "data"),
    "python benchmarks/capacity.py [--only cores words energy conv1m conv10m] [--json FILE]": Slow(CAPACITY, "data"),
    "python -m benchmarks.execution": Slow("python -m benchmarks.execution --without-lava"),
    "python -m pytest tests/golden": Slow("", "data"),
    "pytest --hypothesis-profile new": Slow("python -m pytest --hypothesis-profile new tests/ir/test_words.py"),
    "UNLAYERED_DRAWS=5000 python -m pytest tests/targets/clockless": Slow(
        "UNLAYERED_DRAWS=50 python -m pytest tests/targets/clockless"
    ),
    "UNLAYERED_DRAWS=5000 pytest -s tests/exchange/test_onnx_runtime.py": Slow(
        "UNLAYERED_DRAWS=50 python -m pytest -s tests/exchange/test_onnx_runtime.py"
    ),
    "UNLAYERED_DRAWS=2000 python -m pytest tests/judge/test_equal.py": Slow(
        "python -m pytest tests/judge/test_equal.py"
    ),
    "UNLAYERED_LAVA_NETWORKS=600 pytest tests/targets/test_spiking_gamma.py -s": Slow(
        "UNLAYERED_LAVA_NETWORKS=6 python -m pytest tests/targets/test_spiking_gamma.py -s"
    ),
    "UNLAYERED_LAVA_NETWORKS=300 pytest tests/targets/test_sigma_delta.py -s": Slow(
        "UNLAYERED_LAVA_NETWORKS=6 python -m pytest tests/targets/test_sigma_delta.py -s"
    ),
    "UNLAYERED_DRAWS=300 pytest tests/sim_reference/test_spiking_gamma.py -s": Slow(
        "UNLAYERED_DRAWS=60 python -m pytest tests/sim_reference/test_spiking_gamma.py -s"
    ),
}
"""Each printed command that takes longer than a test may."""

ELSEWHERE: dict[str, str] = {
    "unlayered experiments run experiments/settled.py --plan": "tests/unlayered/experiments",
    "unlayered experiments report experiments/settled.py experiments/nmnist_like.py": "likewise; it writes a page",
    "unlayered experiments run experiments/settled.py --workers 2": "tests/unlayered/experiments/test_workers.py",
    "unlayered experiments report experiments/settled.py": "tests/unlayered/experiments, for it writes a page",
    "torchrun --nproc-per-node 2 -m unlayered train --preset digits --out net": "tests/trainer/test_torchrun.py",
    "python -m benchmarks.processes": "minutes; tests/test_benchmarks.py starts it",
    "python -m benchmarks.processes --trainings --epochs 4": "likewise",
    "make setup": "`make test`, which is what CI runs, begins with it",
    "python -m benchmarks.scale --samples 2000 --repeats 6": "minutes; tests/test_benchmarks.py starts it",
    "python -m benchmarks.load --only stream": "a part of `make load`",
    "make load": "minutes, and 5 GB of disk; tests/test_benchmarks.py starts it",
    "make hundred-million": "half an hour and more; `conv10m` of benchmarks/capacity.py is a tenth of it",
    "make test": "what CI runs",
    "make lint": "a part of what CI runs",
    "make types": "a part of what CI runs",
    "make unit": "this suite",
    "make slow": "runs all that is marked slow, `make docs-slow` among it",
    "make docs-slow": "runs this list",
    "make bench": "runs each of benchmarks/, of which those that a page names are in SLOW",
    "make pythons": "fetches Pythons from the network; tests/test_architecture.py then tries them",
    "make docs": "tests/test_site.py runs what it runs",
    ".venv/bin/pre-commit install": "writes into .git",
    "source .venv/bin/activate": "the shell's own",
    "uv venv --python 3.10 .venv && uv pip install --python .venv/bin/python lava-nc==0.10.0": "needs the network",
    "unlayered run mapped.npz --on reference --data digits --neurobench --out nb.npz": "unlayered/test_neurobench.py",
    "pip install neurobench": "fetches from the network",
    "pip install aedat": "fetches from the network",
    "pip install 'unlayered[cluster]'": "fetches from the network",
    "pip install 'unlayered[pieces]'": "fetches from the network",
    "unlayered run own --on reference --data folder:recordings --out e.pieces": "tests/unlayered/test_pieces.py",
    "unlayered compare e.npz e.pieces": "likewise",
    "unlayered diff e.npz e.pieces": "likewise",
    'eval "$(unlayered completion bash)"': "tests/unlayered/test_completion.py",
    "torchrun --nproc-per-node 2 examples/loop_torchrun.py": "tests/test_examples.py",
    "python -m pytest tests/trainer/engines": "a part of this suite",
    "pytest tests/ir/test_order_free.py": "a part of this suite",
    "pytest tests/sim_reference/test_fast_gamma.py -s": "a part of this suite",
    "python -m pytest tests/exchange/test_nir.py": "a part of this suite",
    "python -m pytest tests/exchange/test_net.py": "a part of this suite",
    "python -m pytest tests/exchange/test_onnx_import.py": "a part of this suite",
    "python -m pytest tests/sim_reference/test_spikes_page.py": "a part of this suite",
    "unlayered train --preset nmnist --root DIR --out net3": "tests/test_commands.py: without the data it says so",
}
"""Each printed command that neither the suite nor `make docs-slow` types in, and what stands for it."""
