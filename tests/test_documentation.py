"""Every command that a page shows: its tool knows the subcommand, the flags and the files."""

import re

import click
import pytest
from pages import commands
from snakemake.cli import get_argument_parser

from etsdm.cli import main
from etsdm.fingerprint import ROOT

FOLDERS = (".", "docs", "docs/results", "config", "workflow")
PAGES = sorted(str(page.relative_to(ROOT)) for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))
HISTORY = "CHANGELOG.md"
OF_THE_READER = ("config/mine.yaml", "my-cluster")
"""Files and folders that a reader makes while following the pages."""
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"^([A-Z]+) =", MAKEFILE, re.MULTILINE)) | {"CONFIRM"}


@pytest.mark.parametrize("page", [page for page in PAGES if page != HISTORY and commands(page)])
def test_the_commands_of_the_page_are_known(page: str) -> None:
    known = {"etsdm": known_to_etsdm, "make": known_to_make, "snakemake": known_to_snakemake, "cp": lambda words: None}
    for tool, *words in commands(page):
        known[tool]([word for word in words if word != "..."])
        for word in words:
            file = word.rpartition("=")[2]
            if file.startswith(("config/", "workflow/", "docs/")) and not file.startswith(OF_THE_READER):
                assert (ROOT / file).exists(), file


def known_to_etsdm(words: list[str]) -> None:
    if words == ["--help"]:
        return
    of_all = {flag for param in main.params for flag in param.opts}
    while words[0] in of_all:
        words = words[2:]
    command = main.get_command(click.Context(main), words[0])
    assert command, f"etsdm {words[0]}"
    flags = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    assert {word for word in words[1:] if word.startswith("-")} <= flags | {"--help"}, words


def known_to_make(words: list[str]) -> None:
    for word in words:
        name, assigned, _ = word.partition("=")
        assert name in (VARIABLES if assigned else TARGETS), word


def known_to_snakemake(words: list[str]) -> None:
    flags = {flag for action in get_argument_parser()._actions for flag in action.option_strings}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= flags, words
