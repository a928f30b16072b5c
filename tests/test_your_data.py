"""docs/your-data.md as it is written, but for the length of the trainings, on a folder of JPEGs."""

import re
from pathlib import Path

import pytest
from PIL import Image
from projects import Project, copy_project

from etsdm.data.sources.photos import read_photo
from etsdm.fingerprint import ROOT


@pytest.mark.slow
@pytest.mark.workflow
def test_a_folder_of_jpegs_becomes_a_report_by_one_command(tmp_path: Path) -> None:
    """The command is what `make reproduce` calls."""
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project", "mine.yaml")
    for label, name in (("cats", "chelsea"), ("cups", "coffee")):
        photo = Image.fromarray(read_photo(name))
        for i in range(60):
            file = project.folder / "data" / "pictures" / label / f"{i:04d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            photo.crop((3 * i, i, 3 * i + 64 + i % 5, i + 60)).save(file, quality=90)
    (written,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "your-data.md").read_text(), re.DOTALL)
    assert "images: 4_000" in written
    project.config.write_text(written.replace("images: 4_000", "images: 256"))
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    report = project.folder / "results" / "reports" / "mine" / "report.html"
    assert "fd-classifier-200" in report.read_text()
    assert project.would_run() == {}
