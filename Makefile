# Each target makes its own .venv when it is missing or requirements.lock changed.
PYTHON ?= python3
RECIPE ?= demo
export BENTOML_DO_NOT_TRACK = true
export TF_CPP_MIN_LOG_LEVEL = 2
export ORT_DISABLE_TELEMETRY = 1
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo data test check format serve app server report doctor upkeep docs docs-serve gpu torch lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY)  ## draw films, run the whole chain on them, release a bento
	@$(BIN)/python -m flows.retrain --recipe demo

data: $(READY)  ## fetch the public data set of RECIPE, prove it, keep its version (mnist, cifar10, ...)
	@$(BIN)/python -m flows.data --recipe $(RECIPE)

test: $(READY)  ## the tests, save those that take minutes (`make test ARGS="-m slow"`)
	@$(BIN)/python -m pytest $(ARGS)

check: $(READY)  ## ruff, types, architecture
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_architecture.py

format: $(READY)  ## put the code into its form
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

serve: $(READY)  ## serve what is in production of RECIPE, or the newest release, on port 3000
	@$(BIN)/python -m serving.serve --recipe $(RECIPE)

app: $(READY)  ## the web page on port 8501 (needs `make serve`)
	@$(BIN)/streamlit run serving/app.py

server: $(READY)  ## a lasting Prefect server on port 4200, with worker and deployments
	@$(BIN)/python -m flows.up

report: $(READY)  ## open the report of RECIPE, or name it
	@$(BIN)/python -m flows.report --recipe $(RECIPE)

doctor: $(READY)  ## check this installation, and say what to mend
	@$(BIN)/python -m flows.doctor

upkeep: $(READY)  ## show what may go from the disk (python -m flows.upkeep --yes removes it)
	@$(BIN)/python -m flows.upkeep

docs: $(READY)  ## the docs as a site, in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo site/index.html

docs-serve: $(READY)  ## the same on port 8000, made anew after each edit
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve --strict --dev-addr 127.0.0.1:8000

gpu: $(READY)  ## TensorFlow for an NVIDIA GPU in place of the CPU build
	@$(BIN)/pip uninstall --quiet --yes tensorflow-cpu
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-gpu.txt

torch: $(READY)  ## PyTorch, beside the rest
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-torch.txt

lock: $(READY)  ## resolve pyproject.toml anew
	@$(BIN)/uv pip compile -q --universal --python-version 3.11.4 --no-header --no-annotate \
		--group dev -o requirements.lock pyproject.toml

clean:  ## remove what was computed here; raw data and DVC's cache stay
	rm -rf .filmgate .pytest_cache .mypy_cache .ruff_cache
	find data -mindepth 1 -maxdepth 1 -type d ! -name raw ! -name production -exec rm -rf {} +

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:3]; (3, 11, 4) <= v < (3, 14) or sys.exit("error: Python %d.%d.%d found, \
	3.11.4 to 3.13 expected: make PYTHON=python3.12 $(MAKECMDGOALS)" % v)'
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	@echo "installing the packages of requirements.lock into $(VENV): some minutes, once"
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check -r requirements.lock
	@touch $(READY)
