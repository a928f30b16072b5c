# Everything a user runs. `make` alone lists the targets. Variables are given on the command line, e.g.
#   make reproduce CONFIG=config/mine.yaml PROFILE=workflow/profiles/default CORES=8
CONFIG = config/digits.yaml
PROFILE = workflow/profiles/default
# How many cores, when the profile's own answer is not wanted.
CORES =
# For `make submit`: how long each of its jobs may take, and more options of sbatch: SBATCH='--partition=cpu --account=mine'
TIME = 1-00:00:00
SBATCH =
# How a run speaks: live lines on a terminal, short ones elsewhere. Empty: as Snakemake does by itself.
LOGGER = etsdm
# The interpreter that makes the environment, and where. An active conda environment serves as it is: VENV=$CONDA_PREFIX.
PYTHON = python3
VENV = .venv

# What `make bench` measures, on which device (cpu or cuda) and, if not as often as each by default, how often.
BENCH = training_step sampling fid score overhead rerun scaling baseline
DEVICE = cpu
REPEATS =

# make knows no variable `config`, and would take the default without a word.
CAPITALS = config profile cores time sbatch logger python venv bench device repeats confirm
$(foreach name,$(CAPITALS),$(if $(filter command,$(firstword $(origin $(name)))),\
    $(error $(name)=... is not known: write $(shell echo $(name) | tr a-z A-Z)=...)))

BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
SNAKEMAKE = "$(BIN)/snakemake" --configfile "$(CONFIG)"
# PROFILE alone: without the last word Snakemake would add the default profile to it.
AS_PROFILE = --profile "$(PROFILE)" --workflow-profile none
# Snakemake looks for plugins in the folders of PYTHONPATH. It finds none in an editable install.
RUN = PYTHONPATH="$(CURDIR)/workflow/logger$${PYTHONPATH:+:$$PYTHONPATH}" $(SNAKEMAKE) \
    $(if $(LOGGER),--logger $(LOGGER)) $(AS_PROFILE) $(if $(CORES),--cores "$(CORES)") $(if $(DRIVER),$(AS_DRIVER))
# In a job of `make submit`, which gives its name: those of the benchmark's jobs begin with it. Locks of a Snakemake that
# was killed do not count there; the workflow itself refuses to make files that another one is making.
DRIVER =
AS_DRIVER = --slurm-jobname-prefix "$(DRIVER)" --nolock
# The rules call `etsdm` by name.
export PATH := $(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install demo reproduce submit cancel plan report test test-all test-gpu test-slurm test-versions bench docs \
    lint unlock clean lock

help: ## List these targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo 'Variables (default): CONFIG ($(CONFIG)), PROFILE ($(PROFILE)), CORES (what the profile says)'

install: $(INSTALLED) ## Make .venv and install requirements.lock and the package into it.

# Whatever changes the list of packages or the entry points installs again; what is there already is left as it is.
$(INSTALLED): requirements.lock pyproject.toml
	@"$(BIN)/python" -m pip --version > /dev/null 2>&1 || { $(make-venv); }
	@"$(BIN)/python" -P -c '$(refuse-other)' "$(CURDIR)"
	@echo 'Installing requirements.lock into $(VENV), which takes minutes if it is new ...'
	@$(PIP) -r requirements.lock
	@$(PIP) --no-build-isolation -e .
	@touch "$@"

PIP = "$(BIN)/python" -m pip --disable-pip-version-check install --quiet --no-deps

# An editable install of another folder is left alone.
define refuse-other
import sys, json, pathlib, importlib.metadata as metadata, urllib.parse as urls; \
found = [*metadata.distributions(name="etsdm")]; \
url = json.loads((found and found[0].read_text("direct_url.json")) or "{}").get("url", ""); \
other = pathlib.Path(urls.unquote(urls.urlparse(url).path)).resolve(); \
sys.exit(f"make: error: the environment has the etsdm of {other} installed; take another one, such as VENV=.venv-2, " \
    "or remove it there: pip uninstall etsdm" if url and other != pathlib.Path(sys.argv[1]).resolve() else 0)
endef

define make-venv
	command -v "$(PYTHON)" > /dev/null || \
	    { echo 'make: error: there is no $(PYTHON); name a Python with PYTHON=/path/to/python3.12' >&2; exit 2; }; \
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'make: error: etsdm needs Python 3.11 or newer; name one with PYTHON=python3.12' >&2; exit 2; }; \
	"$(PYTHON)" -c 'import ensurepip' 2> /dev/null || \
	    { echo 'make: error: this Python cannot make a virtual environment: apt install python3-venv' >&2; exit 2; }; \
	"$(PYTHON)" -m venv "$(VENV)"
endef

demo: override CONFIG = config/digits.yaml
demo: $(INSTALLED) ## Set up, run the whole benchmark on the embedded digits and say where the report is.
	$(run-workflow)

reproduce: $(INSTALLED) ## The same for CONFIG, on the machine that PROFILE describes.
	$(run-workflow)

submit: $(INSTALLED) ## The same in jobs of SLURM, for login nodes where no long process may run (TIME, SBATCH).
	$(CHECK)
	@SBATCH='--time=$(TIME) $(SBATCH)' workflow/submit.sh start "$(CONFIG)"

cancel: ## Cancel what make submit has in the queue for CONFIG.
	@workflow/submit.sh cancel "$(CONFIG)"

# Not every target installs: these need what `make install` has made.
define installed
@test -x "$(BIN)/etsdm" || { echo 'make: error: there is no $(BIN)/etsdm; run `make install` first' >&2; exit 2; }
endef

# Before Snakemake, which would run Python in a configuration: what is wrong with it ends here, with exit code 2.
CHECK = @"$(BIN)/etsdm" check "$(CONFIG)"

# Data whose source has changed are prepared first: Snakemake runs all that is below a job that runs, before it can know
# what that changes. Only a failure of jobs leaves something to report; the Snakefile says in a file whether they have begun.
# A job of `make submit` is told by a file, ETSDM_ENDED, that Snakemake has failed by itself.
define run-workflow
$(CHECK)
@outdated=$$("$(BIN)/etsdm" check --outdated "$(CONFIG)") && if [ -n "$$outdated" ]; then \
    echo "Preparing again, as the source has changed:" $$outdated; \
    $(RUN) $$outdated; fi
@begun="$$(mktemp)"; trap 'rm -f "$$begun"' EXIT; trap 'stopped=yes' INT; \
ETSDM_BEGUN="$$begun" $(RUN) && exit; status=$$?; \
if [ "$$stopped" ]; then echo 'Stopped: the same command goes on.' >&2; exit $$status; fi; \
if [ $$status -gt 128 ]; then echo 'Snakemake was killed: the same command goes on, after make unlock.' >&2; exit $$status; fi; \
[ -z "$$ETSDM_ENDED" ] || : > "$$ETSDM_ENDED"; \
if [ -s "$$begun" ]; then \
    echo 'Some jobs failed: what they should have measured is NA in the report, with the reason.' >&2; \
    "$(BIN)/etsdm" report "$(CONFIG)" >&2; fi; \
exit $$status
@"$(BIN)/etsdm" summary "$(CONFIG)"
endef

plan: ## Show what CONFIG asks for and costs, what would run and why; run nothing.
	$(installed)
	@"$(BIN)/etsdm" plan "$(CONFIG)"
	@$(SNAKEMAKE) $(AS_PROFILE) --dry-run --quiet rules host

report: ## Build the report from the results there are, without running anything else.
	$(installed)
	@"$(BIN)/etsdm" report "$(CONFIG)"

PYTEST = OMP_NUM_THREADS=1 "$(BIN)/pytest"
IN_PARALLEL = -n logical --maxprocesses 8 --dist worksteal --ignore tests/slurm

test: $(INSTALLED) ## Run the tests, but for whole runs.
	$(PYTEST) $(IN_PARALLEL) -m 'not slow'

test-all: $(INSTALLED) ## Run all tests, those of whole runs too.
	$(PYTEST) $(IN_PARALLEL)

test-gpu: $(INSTALLED) ## Run the tests that need a GPU, in one process; without one they fail.
	$(PYTEST) --ignore tests/slurm -m gpu

test-slurm: $(INSTALLED) ## Run the tests on a SLURM cluster of two nodes, which they start on this machine (as root).
	$(PYTEST) tests/slurm

test-versions: $(INSTALLED) ## Run small tests with the oldest and the newest packages (downloads them).
	.ci/versions "$(VENV)"

bench: $(INSTALLED) ## Measure this beside its peers, for over an hour (BENCH, DEVICE and REPEATS say what).
	@for name in $(BENCH); do \
	    DEVICE="$(DEVICE)" "$(BIN)/python" -m benchmarks.$$name $(if $(REPEATS),--repeats $(REPEATS)) || exit; echo; done

docs: $(INSTALLED) ## Build the pages of docs/ as a site, site/index.html; a broken link fails.
	"$(BIN)/mkdocs" build --strict --quiet

lint: $(INSTALLED) ## Check style, types and the workflow.
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"
	"$(BIN)/snakefmt" --check Snakefile workflow
	$(CHECK) --no-data
	$(SNAKEMAKE) --lint

unlock: ## Free the folder after Snakemake was killed.
	$(installed)
	$(CHECK) --no-data
	@$(SNAKEMAKE) --unlock

clean: ## Delete everything in results/ but its README.md; asks for CONFIRM=1.
ifeq ($(CONFIRM),1)
	find results/ -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
else
	@echo 'This would delete, trained models included:' >&2
	@find results/ -mindepth 1 -maxdepth 1 ! -name README.md -exec du -sh {} + >&2
	@echo 'To do it: make clean CONFIRM=1' >&2; exit 2
endif

lock: ## Resolve pyproject.toml into requirements.lock again (needs uv).
	@command -v uv > /dev/null || { echo 'make: error: uv is missing: pip install uv' >&2; exit 2; }
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade --quiet \
	    --no-emit-index-url --no-annotate --no-header --index-strategy unsafe-best-match -o requirements.lock
