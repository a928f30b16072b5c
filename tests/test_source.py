"""The digest of a stage's code covers all that the stage runs, and nothing else."""

import subprocess
import sys

import pytest

from etsdm import solvers
from etsdm.benchmark.source import STAGES, digest, modules

LOADED = """
import importlib, sys
for name in {roots!r}: importlib.import_module(name)
print(*(n for n, module in sys.modules.items() if n.startswith("etsdm.") and not hasattr(module, "__path__")))
"""


@pytest.mark.parametrize("stage", STAGES)
def test_every_module_that_a_stage_loads_is_covered(stage):
    roots = STAGES[stage]
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(roots=roots)], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= modules(*roots).keys()


def test_solvers_do_not_share_a_digest_and_families_do():
    digests = {name: digest("sample", solvers.module(name)) for name in solvers.MODULES}
    assert digests["dpm-solver-1"] == digests["dpm-solver-3"]
    assert len(set(digests.values())) == len(set(solvers.MODULES.values()))


def test_scoring_does_not_load_torch():
    """It runs as many short processes, and torch alone takes seconds to import."""
    code = "import sys, etsdm.metrics.score; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("stage", ["rows", "tables", "figures", "page"])
def test_the_report_knows_only_result_files(stage):
    rooms = {name.split(".")[1] for name in modules(*STAGES[stage])}
    assert not rooms & {"training", "sampling", "models", "solvers", "probes", "diffusion"}
