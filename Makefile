# Earshot. Each target works from a bare clone with git, make and any Python 3.

PYTHON := .venv/bin/python
SOURCES := run_flow.py model connectors flows console commands demo deploy bench \
    examples tests
COMPILE := sh bootstrap uv pip compile pyproject.toml --quiet --universal \
    --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
    --no-annotate
# More for the command behind a target: make demo ARGS="--items 12".
ARGS ?=

.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 18

setup:  ## make .venv with everything for demo, tests and benchmarks
	@sh bootstrap env .venv

demo: setup  ## run the whole pipeline on embedded services
	@$(PYTHON) run_flow.py demo $(ARGS)

test: setup  ## run the tests
	@$(PYTHON) -m pytest $(ARGS)

test-all:  ## run the tests under Python 3.11 and 3.12, where both are here
	@for version in 3.11 3.12; do \
	    sh bootstrap env .bootstrap/venv-$$version $$version; status=$$?; \
	    if [ $$status = 3 ]; then continue; fi; \
	    [ $$status = 0 ] || exit 1; \
	    .bootstrap/venv-$$version/bin/python -m pytest $(ARGS) || exit 1; \
	done

lint: setup  ## check style (ruff) and types (mypy)
	@$(PYTHON) -m ruff check $(wildcard $(SOURCES))
	@$(PYTHON) -m ruff format --check $(wildcard $(SOURCES))
	@$(PYTHON) -m mypy $(wildcard $(SOURCES))

format: setup  ## format the code
	@$(PYTHON) -m ruff check --fix $(wildcard $(SOURCES))
	@$(PYTHON) -m ruff format $(wildcard $(SOURCES))

evaluate: setup  ## measure the shipped model on spoiled recordings
	@$(PYTHON) -m bench.evaluate $(ARGS)

chaos: setup  ## five minutes of failing workers and servers; counts every record
	@$(PYTHON) -m tests.chaos $(ARGS)

bench-audio: setup  ## measure decoding and features
	@$(PYTHON) -m bench.audio $(ARGS)

bench: setup  ## measure the worker against a plain one and Celery
	@$(PYTHON) -m bench.run $(ARGS)

bench-short: setup  ## the first rows of bench, in two minutes
	@$(PYTHON) -m bench.run --short $(ARGS)

bench-discovery: setup  ## measure discovery on a million rows
	@$(PYTHON) -m bench.discovery $(ARGS)

lock:  ## pin the requirements of pyproject.toml
	@$(COMPILE) --extra dev -o requirements.lock
	@$(COMPILE) -c requirements.lock -o requirements-worker.lock
	@$(COMPILE) -c requirements.lock --extra console -o requirements-console.lock

clean:  ## remove the environment and everything that was made here
	@rm -rf .venv .bootstrap output build .mypy_cache .pytest_cache .ruff_cache

.PHONY: help setup demo test test-all lint format evaluate chaos bench \
    bench-audio bench-discovery bench-short lock clean
