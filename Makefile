# Both targets do all their own set-up in .venv on a fresh machine.

PYTHON ?= python3
BIN := .venv/bin
DEMO := demo

.PHONY: demo test check clean

demo: .venv/ready
	$(BIN)/python -m benchmarks.demo $(DEMO)

test: .venv/ready check
	$(BIN)/pytest

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -e '.[dev]' -c constraints.txt
	touch $@

clean:
	rm -rf .venv $(DEMO)
