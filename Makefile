# The two commands a fresh machine needs: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# One BLAS thread for each worker: the tests and figures are single-thread by design.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help install demo test test-slow test-slurm test-all lint docs paper dist bench bench-train clean clean-kernels

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: .venv/.installed  ## virtual environment in .venv, with pinned versions

.venv/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: install  ## reconstruct a 50-qubit critical state from 10,000 measurements
	$(BIN)/physgen run workflows/state_reconstruction/config.toml --out runs/demo

# A worker that has nothing left takes tests from the other one: both end together.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal -q

test: install  ## the fast suite, 6 minutes on 2 idle cores
	$(PYTEST)

test-slow: install .venv/.workflow  ## the rest of it: the tests marked slow, two long Snakefiles and the tutorials aside
	$(PYTEST) -m "slow and not slurm and not snakemake and not tutorial"

# SLURM comes from apt where it can: by root, on Debian or Ubuntu.  Elsewhere the tests say why not.
test-slurm: install .venv/.workflow  ## jobs on a one-node SLURM, 3 minutes; root
	@command -v slurmctld >/dev/null || [ -x /usr/sbin/slurmctld ] || \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null; } || \
	  echo "SLURM is not there and apt could not bring it: its tests are skipped"
	$(BIN)/python -m pytest -q -rs tests/slurm -m slurm

test-all: install .venv/.workflow  ## every test, those on a SLURM aside
	$(PYTEST) -m "not slurm"

lint: install  ## formatting, style, types, and the one-way arrows between rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: install .venv/.docs  ## the site, in build/site; a warning or a dead link is an error
	$(BIN)/python -m sphinx -b html -c docs -W --keep-going -q -d build/trees . build/site
	$(BIN)/python docs/_site/links.py build/site
	@echo build/site/index.html

dist: docs  ## a release, in dist/: wheel, source archive, and the site as a zip
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	cd build && $(abspath $(BIN))/python -m zipfile -c \
	  ../dist/physgen-site-$$($(abspath $(BIN))/python -c 'import physgen; print(physgen.__version__)').zip site
	@ls dist

paper: install  ## tables and figures of the published numbers; main.pdf where TeX is installed
	$(BIN)/physgen paper build

bench: install .venv/.bench .venv/.docs  ## the fast figures, written to workflows/benchmarks/RESULTS.md
	$(BIN)/python workflows/benchmarks/quantum.py --fast
	$(BIN)/python workflows/benchmarks/mcmc.py --fast
	$(BIN)/python workflows/benchmarks/neural_samplers.py --fast
	$(BIN)/python workflows/benchmarks/energy.py --fast
	$(BIN)/python workflows/benchmarks/diffusion.py --fast
	$(BIN)/python workflows/benchmarks/strangers.py --fast
	$(BIN)/python workflows/benchmarks/validation.py --fast
	$(BIN)/python workflows/benchmarks/face.py --fast
	$(BIN)/python workflows/benchmarks/hpc.py --fast
	$(BIN)/python workflows/benchmarks/paper.py --fast
	$(BIN)/python workflows/benchmarks/docs.py --fast

bench-train: install .venv/.bench .venv/.docs  ## the slow figures (tens of minutes), kept until their sources change
	$(BIN)/python workflows/benchmarks/quantum.py --train
	$(BIN)/python workflows/benchmarks/reconstruction.py --train
	$(BIN)/python workflows/benchmarks/mcmc.py --train
	$(BIN)/python workflows/benchmarks/neural_samplers.py --train
	$(BIN)/python workflows/benchmarks/energy.py --train
	$(BIN)/python workflows/benchmarks/diffusion.py --train
	$(BIN)/python workflows/benchmarks/adversarial.py --train
	$(BIN)/python workflows/benchmarks/latent.py --train
	$(BIN)/python workflows/benchmarks/strangers.py --train
	$(BIN)/python workflows/benchmarks/strangers_targets.py --train
	$(BIN)/python workflows/benchmarks/validation.py --train
	$(BIN)/python workflows/benchmarks/face.py --train
	$(BIN)/python workflows/benchmarks/strangers_fuzz.py --train
	$(BIN)/python workflows/benchmarks/hpc.py --train
	$(BIN)/python workflows/benchmarks/paper.py --train
	$(BIN)/python workflows/benchmarks/docs.py --train

.venv/.docs: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

.venv/.bench: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	@touch $@

.venv/.workflow: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,workflow]'
	@touch $@

clean-kernels:  ## forget compiled kernels (after editing a function that others inline)
	find physgen -name '*.nb[ci]' -delete

clean:  ## remove the environment and generated runs
	rm -rf .venv runs
