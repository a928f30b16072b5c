"""The answer of several finished benchmarks as one page of Markdown, from their tables of verdicts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from etsdm.errors import UserError
from etsdm.report.tables.verdicts import LIMIT
from etsdm.report.text import listed
from etsdm.report.verdicts import YES

GAINS = {
    "Where it helps": YES,
    "Where it makes no difference": ("equivalent",),
    "Where it hurts": ("opposite",),
    "Where it is undecided": ("undecided",),
}
"""Parts of the section on the gain, each with its verdicts."""
COLUMNS = {"benchmark", "seeds", "experiment", "topic", "kind", "short", "claim", "role", "verdict", "measured"}


@dataclass(frozen=True)
class Part:
    """Findings under one heading.

    Attributes:
        title: the heading.
        findings: rows of the tables: those on primary claims, and the others that are decided.
        undecided: how many others are undecided.
    """

    title: str
    findings: list[dict[str, Any]]
    undecided: int


def read_verdicts(files: list[Path]) -> pd.DataFrame:
    """The rows of several tables of verdicts, in any order, sorted by name of the benchmark; texts have no NaN.

    Raises:
        UserError: a file is no table of verdicts, or two are of one benchmark.
    """
    tables = [_read(file) for file in files]
    names = [name for table in tables for name in table["benchmark"].unique()]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"the verdicts of {listed(sorted(twice))} are given twice; give one file a benchmark")
    return pd.concat(tables).sort_values("benchmark", kind="stable", ignore_index=True)


def _read(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as a table of verdicts ({error})") from error
    if COLUMNS - set(table):
        raise UserError(f"{file}: no table of verdicts; give the file verdicts.csv of a report's tables")
    return table


def answer(verdicts: pd.DataFrame) -> str:
    """The page as Markdown.

    Args:
        verdicts: the rows of `read_verdicts`.
    """
    environment = Environment(
        loader=PackageLoader("etsdm.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    tested = verdicts[~verdicts["kind"].isin([LIMIT, "control"])]
    gains = tested[tested["topic"] == "gain"]
    limits = verdicts[verdicts["kind"] == LIMIT]
    return environment.get_template("answer.md.j2").render(
        benchmarks=verdicts[["benchmark", "seeds"]].drop_duplicates().to_dict("records"),
        effect=_part("What it does to the network", tested[tested["topic"] == "effect"]),
        gains=[_part(title, gains[gains["verdict"].isin(wanted)]) for title, wanted in GAINS.items()],
        cause=_part("What explains it", tested[tested["topic"] == "cause"]),
        controls=_records(verdicts[verdicts["kind"] == "control"]),
        limits=[(text, listed(list(group["benchmark"]))) for text, group in limits.groupby("measured", sort=False)],
    )


def _part(title: str, rows: pd.DataFrame) -> Part:
    shown = rows[(rows["role"] != "exploratory") | (rows["verdict"] != "undecided")]
    return Part(title, _records(shown), len(rows) - len(shown))


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]
