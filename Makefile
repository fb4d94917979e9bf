# Both targets do all their own set-up in .venv on a fresh machine.

PYTHON ?= python3
BIN := .venv/bin
DEMO := demo

.PHONY: demo test check clean

demo: .venv/ready
	rm -rf $(DEMO)
	@mkdir -p $(DEMO) && date +%s > $(DEMO)/started
	$(BIN)/hero-pipeline demo-data $(DEMO)/minivimo
	$(BIN)/hero-pipeline extract $(DEMO)/minivimo $(DEMO)/features
	$(BIN)/hero-pipeline build-pairs $(DEMO)/minivimo --features $(DEMO)/features --out $(DEMO)/data
	$(BIN)/hero-train all $(DEMO)/data --out $(DEMO)/run --preset demo
	$(BIN)/hero-eval metrics $(DEMO)/run --data $(DEMO)/data --protocol quick
	$(BIN)/hero-pipeline demo-data $(DEMO)/new --clips 1 --seed 1
	$(BIN)/hero-react $(DEMO)/new/videos/*/*/clip_00000.mp4 --run $(DEMO)/run --out $(DEMO)/reaction
	@echo "demo: $$(( $$(date +%s) - $$(cat $(DEMO)/started) )) s; numbers in $(DEMO)/run/eval, reaction in $(DEMO)/reaction"

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
