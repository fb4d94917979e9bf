# demo and test do all their own set-up in .venv on a fresh machine.

PYTHON ?= python3
BIN := .venv/bin
DEMO := demo

.PHONY: demo test check web clean

demo: .venv/ready
	$(BIN)/python -m benchmarks.demo $(DEMO)

# Two processes or more share the cores, so that more threads in each would wait for each other.
test: .venv/ready check
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The viewer's one file, which is committed: the same sources give the same bytes. Needs node and npm.
web:
	cd web && npm ci --ignore-scripts --no-audit --no-fund && npm run --silent check && npm run --silent build

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -e '.[dev]' -c constraints.txt
	touch $@

clean:
	rm -rf .venv web/node_modules $(DEMO)
