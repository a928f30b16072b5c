"""What the pages of the documentation show: their blocks, and the commands in them."""

import re
import shlex

from etsdm.fingerprint import ROOT

TOOLS = ("cp", "etsdm", "make", "snakemake")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str = "") -> list[str]:
    """The blocks of a page in a language; "" is that of commands."""
    return [text for name, text in BLOCK.findall(_text(page)) if name == language]


def commands(page: str) -> list[list[str]]:
    """The commands of a page, each as its words: lines of blocks without a language, and spans of code."""
    spans = re.findall(r"`([^`\n]+)`", BLOCK.sub("", _text(page)))
    lines = [line for block in blocks(page) for line in block.replace("\\\n", " ").splitlines()] + spans
    parts = [part for line in lines for part in _parts(line)]
    return [shlex.split(part) for part in parts if part.partition(" ")[0] in TOOLS and " " in part]


def _parts(line: str) -> list[str]:
    """The commands of a line: without a comment, the folder of a tool and variables of the environment."""
    parts = re.split(r"&&|;|\$\(|\)", re.sub(r"\s#.*", "", line))
    return [re.sub(rf"^(?:[A-Z]+=\S* )*(?:\S*/)?(?=(?:{'|'.join(TOOLS)}) )", "", part.strip()) for part in parts]


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")
