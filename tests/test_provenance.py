"""The report says by which code and which PyTorch its results were made."""

import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from configs import tiny
from hand_made import write_results
from reports import ROOT

import etsdm
from etsdm.report import page
from etsdm.report.citing import citation
from etsdm.report.results import load
from etsdm.report.rows import write_rows
from etsdm.report.setup import what_was_run
from etsdm.report.warnings import warnings
from etsdm.runtime.files import read_json, write_json
from etsdm.runtime.manifest import git_state

REVISION = "0123456789ab"
"""Of the hand-made results, as it is shown."""


def test_a_working_copy_is_edited_where_its_code_is(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    for file in (tmp_path / "package" / "code.py", tmp_path / "config.yaml"):
        file.parent.mkdir(exist_ok=True)
        file.write_text("first")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    assert git_state(tmp_path / "package")["dirty"] is False
    (tmp_path / "config.yaml").write_text("edited")
    assert git_state(tmp_path / "package")["dirty"] is False
    (tmp_path / "package" / "code.py").write_text("edited")
    assert git_state(tmp_path / "package")["dirty"] is True
    assert git_state.__defaults__ == (Path(etsdm.__file__).parent,)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """The report of 14 results of one revision and one PyTorch."""
    folder = write_results(tmp_path, tiny(**{"experiments.lipschitz.images": 4, "training.images": 4000}))
    for file in tmp_path.rglob("scores.json"):
        write_json(file.with_name("scores.manifest.json"), {"git": {"revision": f"{REVISION}cdef", "dirty": False}})
    for file in tmp_path.rglob("manifest.json"):
        write_json(file, read_json(file) | {"packages": {"torch": "2.14.1"}})
    return folder


def change(report: Path, kind: str, **entries: Any) -> None:
    """Change what the first manifest of a kind of run says."""
    file = report.parents[1] / next(iter(read_json(report / "inventory.json")[kind])) / "manifest.json"
    write_json(file, read_json(file) | entries)


def messages(report: Path) -> list[str]:
    return [text for text in warnings(load(report, report.parents[1], None)) if "undertrained" not in text]


def test_one_revision_and_one_torch_are_nothing_to_warn_of(report: Path) -> None:
    assert messages(report) == []


def test_results_of_an_edited_copy_are_counted(report: Path) -> None:
    for kind in ("models", "samples"):
        change(report, kind, git={"revision": "f" * 40, "dirty": True})
    (text,) = messages(report)
    assert text.startswith("2 of 14 results were made by an edited working copy")
    assert f"The revisions are {REVISION} (12) and {'f' * 12}, edited (2)." in text
    rows = write_rows(read_json(report / "inventory.json"), report.parents[1], report)
    assert set(rows["revision"].dropna()) == {f"{REVISION}cdef", "f" * 40 + "-edited"}
    setup = what_was_run(load(report, report.parents[1], None))
    assert setup["Code"] == [f"revision {REVISION}, not edited", f"revision {'f' * 12}, edited"]
    assert any("edited working copy" in text for text in page.write_page(report, report.parents[1], None))
    assert "2 of 14 results were made by an edited working copy" in (report / "report.html").read_text()


def test_versions_of_packages_are_told_with_the_results_that_they_made(report: Path) -> None:
    change(report, "models", python="3.12.1", packages={"torch": "2.13.0", "numpy": "2.4.6"})
    setup = what_was_run(load(report, report.parents[1], None))
    assert setup["Packages"] == ["torch 2.14.1 (9)", "Python 3.12.1, torch 2.13.0, numpy 2.4.6 (1)"]


def test_the_citation_agrees_with_the_projects_own(report: Path) -> None:
    own = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper = own["references"][0]
    cited = citation(load(report, report.parents[1], None))
    names = " and ".join(f"{author['family-names']}, {author['given-names']}" for author in paper["authors"])
    assert f"title = {{{paper['title']}}}" in cited and f"author = {{{names}}}" in cited
    assert f"year = {{{paper['year']}}}" in cited and paper["identifiers"][0]["value"] in cited
    assert f"title = {{{own['title']}}}" in cited and own["authors"][0]["name"] in cited
    assert f"revision {REVISION}}}" in cited


def test_an_edited_score_counts_too(report: Path) -> None:
    file = next(report.parents[1].rglob("scores.manifest.json"))
    write_json(file, {"git": {"revision": f"{REVISION}cdef", "dirty": True}})
    (text,) = messages(report)
    assert text.startswith("1 of 14 results were made by an edited working copy")


def test_mixed_revisions_are_named(report: Path) -> None:
    change(report, "models", git={"revision": "f" * 40, "dirty": False})
    (text,) = messages(report)
    assert text.startswith("14 results were made at 2 revisions.")
    assert f"{REVISION} (13) and {'f' * 12} (1)" in text


def test_different_versions_of_torch_are_told_where_they_meet(report: Path) -> None:
    change(report, "probes", packages={"torch": "2.13.0"})
    (text,) = messages(report)
    assert "lipschitz: 2.14.1 (" in text
    assert "2.13.0 (1)" in text
    assert "fast-sampling" not in text


def test_results_of_no_working_copy_are_no_edited_ones(report: Path) -> None:
    for file in [*report.parents[1].rglob("manifest.json"), *report.parents[1].rglob("scores.manifest.json")]:
        write_json(file, read_json(file) | {"git": {"revision": None, "dirty": None}})
    assert messages(report) == []
    rows = write_rows(read_json(report / "inventory.json"), report.parents[1], report)
    assert pd.isna(rows["revision"]).all()
