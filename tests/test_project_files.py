"""What stands around the code: files for contributors and for the tools of the forge say what is so."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
PAGES = [str(file.relative_to(ROOT)) for file in ROOT.glob("docs/**/*.md")]
LINKING = ["CONTRIBUTING.md", "SECURITY.md", "README.md", *PAGES]


def test_the_forge_runs_what_the_script_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    (default,) = re.findall(r"set -- (.+)$", script, re.MULTILINE)
    job = workflow["jobs"]["check"]
    assert job["strategy"]["matrix"]["target"] == default.split()
    assert job["steps"][-1]["run"] == ".ci/run ${{ matrix.target }}"
    assert set(default.split()) <= TARGETS


def test_every_target_of_tests_is_explained() -> None:
    explained = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text()))
    assert explained <= TARGETS
    assert {target for target in TARGETS if target.startswith("test")} <= explained


def test_the_hooks_are_the_commands_of_make_lint() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    lint = MAKEFILE.partition("\nlint:")[2].partition("\n\n")[0].replace('"$(BIN)/', "").replace('"', "")
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].removeprefix(".venv/bin/") in lint


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (str(citation["version"]), citation["license"]) == (project["version"], project["license"])
    (paper,) = citation["references"]
    assert len(paper["authors"]) == 11
    assert paper["url"] == project["urls"]["Paper"]


def test_the_changelog_has_a_place_for_what_comes() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"


@pytest.mark.parametrize("template", [file.name for file in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")])
def test_templates_are_valid(template: str) -> None:
    values = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / template).read_text())
    if template != "config.yml":
        assert values["name"] and values["description"]
        assert all(part["type"] and part["attributes"]["label"] for part in values["body"])


@pytest.mark.parametrize("file", LINKING)
def test_every_link_leads_to_a_file(file: str) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / file).read_text()):
        assert (ROOT / file).parent.joinpath(target).exists(), target


def test_the_readme_is_read_in_a_minute() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100


def test_the_readme_leads_to_every_page_for_users() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in ROOT.glob("docs/*.md") if f"](docs/{page.name}" not in readme] == ["upstream.md"]
