"""One thread per numerical library: the tests themselves run in parallel. And no GPU, but for the tests that need one.

A process that claims a GPU keeps it until it ends, so tests in parallel would wait for each other for ever.
"""

import os
import shutil

import pytest
from _pytest.mark.expression import Expression
from configs import write_config
from projects import ONE_TRAINING, Project, copy_project
from shared import share, shared

from etsdm.runtime.workers import cpus

os.environ.setdefault("OMP_NUM_THREADS", "1")


def wants_gpu(config):
    """Whether `-m` asks for the tests that need a GPU."""
    if not config.option.markexpr:
        return False
    expression = Expression.compile(config.option.markexpr)
    return expression.evaluate(lambda name, **_: name == "gpu") and not expression.evaluate(lambda *_, **__: False)


def pytest_configure(config):
    """Hide every GPU before anything looks for one, here and in all processes that tests start."""
    share(config)
    if not wants_gpu(config):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_xdist_auto_num_workers():
    """One more than there are cores: tests of the workflow wait for the programs that they start."""
    return cpus() + 1


def pytest_sessionstart(session):
    """Fail at once where the tests that need a GPU are asked for and there is none."""
    if not wants_gpu(session.config) or session.config.option.collectonly:
        return
    import torch

    if not torch.cuda.is_available():
        pytest.exit(
            "these tests need a GPU: torch.cuda.is_available() is False "
            f"(PyTorch {torch.__version__}, CUDA {torch.version.cuda}, "
            f"CUDA_VISIBLE_DEVICES {os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')!r})",
            returncode=1,
        )


def pytest_collection_modifyitems(config, items):
    """The workflow first: what its tests share takes minutes to make, in which other processes run the other tests.

    Tests that need a GPU are left out unless they are asked for.
    """
    if not wants_gpu(config):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("gpu")])
        items[:] = [item for item in items if not item.get_closest_marker("gpu")]
    items.sort(key=lambda item: item.get_closest_marker("workflow") is None)


@pytest.fixture(scope="session")
def finished():
    """A project in which the tiny benchmark has run to its end. What it printed stands in `printed.txt`."""

    def run(folder):
        project = Project(folder)
        copy_project(folder)
        write_config(project.config)
        done = project.snakemake("--logger", "etsdm")
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "printed.txt").write_text(done.stdout + done.stderr)

    return shared("finished", run)


@pytest.fixture(scope="session")
def built():
    """(report folder, results root) of the hand-chosen values."""
    from reports import built_in

    results = shared("hand-chosen", built_in)
    return results / "reports" / "tiny", results


@pytest.fixture
def report(built):
    """The report folder of the hand-chosen values."""
    return built[0]


@pytest.fixture
def project(finished, tmp_path):
    """The finished project, moved to a place of its own."""
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


@pytest.fixture
def fresh(tmp_path):
    """A project in which one training of some seconds is asked for and nothing has run."""
    copy_project(tmp_path / "fresh")
    project = Project(tmp_path / "fresh")
    write_config(project.config, **ONE_TRAINING)
    yield project
    project.stop()
