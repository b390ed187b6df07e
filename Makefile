# Two commands do everything: `make demo` and `make test`. Both set up .venv first.
PYTHON := .venv/bin/python
WORKERS ?= 2
EXPERIMENTS := experiments/settled.py experiments/nmnist_like.py experiments/gesture_like.py experiments/shd_like.py experiments/shd_like_recurrent.py experiments/cifar10.py
# Of `make fuzz-edges`, in seconds: without a new edge, and for a reader in all.
QUIET ?= 300
MOST ?= 600
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 3000

.PHONY: help setup demo test lint types unit slow pythons bench interop docs docs-slow picture commands configuration crosscheck priced fuzz fuzz-quick fuzz-edges faults load experiments-quick hundred-million clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /	/' | expand -t 12

setup: .venv/.stamp  ## make .venv on Python 3.10 with pinned packages, compile kernels

.venv/.stamp: pyproject.toml constraints.txt tools/setup.sh
	@tools/setup.sh

demo: setup  ## train, map, run on Lava, compare; report in demo/
	.venv/bin/unlayered demo

test: setup lint types unit  ## lint, types, whole test suite

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: setup
	.venv/bin/pyright

unit: setup
	$(PYTHON) -m pytest -n $(WORKERS)

pythons: setup  ## environments on Python 3.12 and 3.13 for the tests to try
	tools/pythons.sh 3.12 3.13

slow: setup  ## the long tests, left out of `make test`
	$(PYTHON) -m pytest -n $(WORKERS) -m slow

bench: setup  ## timings and ratios
	@for file in benchmarks/[a-z]*.py; do \
		grep -q __main__ $$file || continue; \
		case $$file in *_rows.py) continue;; esac; \
		name=$$(basename $$file .py); echo "== $$name"; $(PYTHON) -m benchmarks.$$name || exit 1; \
	done

interop: setup  ## our spikes against each framework's own, 20 drawn networks each, and 200 .net files in lava-dl
	PATH="$$PATH:.uv/bin" tests/interop/environments.sh
	$(PYTHON) -m tests.interop.compare
	$(PYTHON) -m tests.interop.netx

docs: setup  ## the documentation as a site, in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

docs-slow: setup  ## printed commands that take longer than a test may, as printed or with smaller numbers, and their times
	$(PYTHON) -m pytest -m slow tests/test_slow_commands.py --durations=0

picture: setup  ## docs/sweep.svg anew: two networks of digits, one trained without layers, one in layers
	mkdir -p out/picture
	.venv/bin/unlayered train --preset digits --out out/picture/net
	.venv/bin/unlayered train --preset digits-layered --out out/picture/layered
	.venv/bin/unlayered sweep out/picture/net --data digits --out out/picture/sweep.json
	.venv/bin/unlayered sweep out/picture/layered --data digits --out out/picture/layered.json
	$(PYTHON) tools/sweep_picture.py out/picture/sweep.json out/picture/layered.json

commands: setup  ## write docs/commands.md anew from the command line
	$(PYTHON) tools/commands.py

configuration: setup  ## write docs/configuration.md anew from the dataclasses
	$(PYTHON) tools/configuration.py

crosscheck: setup  ## our integers against the emulators nengo-loihi and brian2-loihi, spikes and registers
	PATH="$$PATH:.uv/bin" tests/interop/environments.sh nengo-loihi brian2-loihi
	$(PYTHON) -m tests.interop.crosscheck

priced: setup  ## our events, energy and time on Loihi against SANA-FE's, three networks
	PATH="$$PATH:.uv/bin" tests/interop/environments.sh sanafe
	$(PYTHON) -m tests.interop.priced

fuzz: setup  ## spoilt files through every reader and every verb that takes what it returns, five minutes a kind
	$(PYTHON) -m tests.fuzz.readers --seconds 3600

fuzz-quick: setup  ## the same, 20 seconds a kind
	$(PYTHON) -m tests.fuzz.readers --seconds 240

fuzz-edges: setup  ## every reader fuzzed along edges of our code (atheris) until none is new; a table
	tools/atheris.sh
	TMPDIR=$$(test -w /dev/shm && echo /dev/shm || echo /tmp) PYTHONPATH=.fuzz $(PYTHON) -m tests.fuzz.edges --quiet $(QUIET) --most $(MOST)

faults: setup  ## 200 faults while verbs are at work: signals, full and read-only disks, damaged files; a table
	$(PYTHON) -m tests.faults.rig --faults 200

load: setup  ## 10,000 samples from disk, 1e8 spikes in pieces, 200 Lava runs in a process, engines in forked workers
	$(PYTHON) -m benchmarks.load

hundred-million: setup  ## map a hundred million neurons: CPU seconds and memory; half an hour and more
	$(PYTHON) -m benchmarks.capacity --only conv100m

experiments-quick: setup  ## a small version of every table of experiments/, in runs/experiments-quick
	mkdir -p runs/experiments-quick
	.venv/bin/unlayered experiments run $(EXPERIMENTS) --quick --rows runs/experiments-quick
	.venv/bin/unlayered experiments report $(EXPERIMENTS) --quick --rows runs/experiments-quick --out runs/experiments-quick/RESULTS.md

clean:  ## remove what set-up and runs made
	rm -rf .venv .uv .pythons .pytest_cache .ruff_cache .hypothesis demo site
