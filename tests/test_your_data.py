"""docs/your-data.md as it is written, but for the length of the trainings, on a data set in Fashion-MNIST's layout."""

import gzip
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from pages import blocks
from projects import Project, copy_project

from etsdm.data.sources.photos import read_photo
from etsdm.plan.plan import make_plan

PAGE = "docs/your-data.md"
CLASSES = 10


def commands(beginning: str) -> list[str]:
    """The printed blocks of commands that begin so."""
    return [block for block in blocks(PAGE) if block.startswith(beginning)]


def save_fashion(folder: Path) -> None:
    """Write 200 pieces of a photograph, 28x28, as Fashion-MNIST's files have them."""
    folder.mkdir(parents=True)
    photo = read_photo("coffee").mean(axis=2).astype(np.uint8)
    images = np.stack([photo[3 * i % 300 :, i : i + 56][:56:2, ::2] for i in range(200)])
    labels = np.arange(200, dtype=np.uint8) % CLASSES
    for name, header, values in (("images-idx3", 16, images), ("labels-idx1", 8, labels)):
        (folder / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(bytes(header) + values.tobytes()))


def shortened(config: str) -> str:
    """A configuration with one seed, very short trainings and few steps of sampling."""
    for printed, value in (
        ("seeds: [0, 1, 2]", "seeds: [0]"),
        ("images: 120_000", "images: 256"),
        ("warmup: 12_000", "warmup: 32"),
        ("ema_half_life: 10_000", "ema_half_life: 64"),
        ("samples: 500", "samples: 200"),
        ("epochs: 30", "epochs: 2"),
        ("nfe: 50", "nfe: 5"),
        ("nfe: [10, 50]", "nfe: [4, 5]"),
        ("nfe: 20", "nfe: 6"),
    ):
        assert config.count(printed) == 1, printed
        config = config.replace(printed, value)
    return config


def test_the_printed_configuration_is_whole() -> None:
    (printed,) = blocks(PAGE, "yaml")
    plan = make_plan(yaml.safe_load(printed), PAGE, look=False)
    assert len(plan.models) == 6


@pytest.mark.slow
@pytest.mark.workflow
def test_the_commands_of_the_page_lead_to_a_report_and_to_noises_distance(tmp_path: Path) -> None:
    """The command in the middle is what `make reproduce` calls, with the configuration that the page prints."""
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project", "mine.yaml")
    save_fashion(project.folder / "unpacked" / "usr" / "share" / "datasets" / "fashion-mnist")
    (script,) = blocks(PAGE, "python")
    (project.folder / "jpegs.py").write_text(script)
    done = project.run("python", "jpegs.py")
    assert done.returncode == 0, done.stderr
    pictures = project.folder / "data" / "pictures"
    assert len([*pictures.iterdir()]) == CLASSES and len([*pictures.rglob("*.jpg")]) == 200

    (init,) = commands("etsdm init")
    done = project.run(*shlex.split(init))
    assert done.returncode == 0, done.stderr
    assert "source: folder" in project.config.read_text()
    (printed,) = blocks(PAGE, "yaml")
    project.config.write_text(shortened(printed))  # what `init` writes depends on the machine
    assert commands("make reproduce") == [f"make reproduce CONFIG=config/{project.config.name}\n"]
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    report = project.folder / "results" / "reports" / "mine" / "report.html"
    assert "fd-classifier-200" in report.read_text()
    assert project.would_run() == {}

    (check,) = commands("python -c")
    shell = ["bash", "-euo", "pipefail", "-c", check]
    done = subprocess.run(
        shell, cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^fd-classifier-500 +[\d.]+$", done.stdout, re.MULTILINE)
