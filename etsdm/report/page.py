"""The report as one HTML file: opens from disk, needs no network, reads on a phone."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from etsdm.diffusion.loss_weights import NONE
from etsdm.diffusion.training_times import UNIFORM
from etsdm.report.cells import Cell, rows_of
from etsdm.report.citing import ARXIV, citation
from etsdm.report.colours import VARIABLES
from etsdm.report.findings.finding import Finding
from etsdm.report.findings.judge import findings
from etsdm.report.formulas import formulas
from etsdm.report.metrics import directions, judged
from etsdm.report.next_steps import next_steps
from etsdm.report.overview import RULE_TEXT, limits, overview
from etsdm.report.plates import Plate, plates
from etsdm.report.results import Results, load
from etsdm.report.sections import sections_of
from etsdm.report.setup import what_was_run
from etsdm.report.tables.table import Table, without_empty
from etsdm.report.tables.write import NUMERIC, build_tables
from etsdm.report.text import MINUS, listed
from etsdm.report.warnings import warnings
from etsdm.runtime.files import write_text
from etsdm.runtime.places import without_places

SNAPSHOT = ["images_seen", "ema_half_life"]
TEMPLATES = Path(__file__).with_name("templates")
SCRIPTS = ("vendor/sortable.min.js", "vendor/sortable.a11y.min.js", "page.js")
"""What the page runs: nothing is fetched, and without them it shows the same, but sorts and filters no table."""
FOLDED = ("Solvers", "Metrics")
"""Of what was run, what starts folded however short it is."""
WIDE = ("Note", "By class")
"""Columns of tables whose text is broken into lines."""
LONG = 30
"""Rows from which on a table starts folded."""


def _failures(results: Results) -> list[dict[str, Any]]:
    """Of each failed measurement its experiment, a few words on the cell, seed and reason."""
    failed = results.failures.astype(object)
    return [_failure(results, row) for row in rows_of(failed.where(failed.notna(), None))]


def _loss(row: Cell) -> list[str]:
    """How the loss counts times, where that is not the usual."""
    usual = {"training_times": UNIFORM, "loss_weight": NONE}
    return [row[key] for key, value in usual.items() if row[key] != value]


def _failure(results: Results, row: Cell) -> dict[str, Any]:
    words = [row["dataset"], row["resolution"] and f"{row['resolution']:.0f} px", row["schedule"]]
    words += [row["time"], row["prediction"], *_loss(row), row["method_label"]]
    if len(results.experiment(row["experiment"])[SNAPSHOT].drop_duplicates()) > 1:
        words.append(f"{row['images_seen']:,.0f} images, half-life {row['ema_half_life']:,.0f}")
    if row["solver_label"]:
        words.append(f"{row['solver_label']} at {row['nfe']:.0f} NFE")
    cell = ", ".join(str(word) for word in words if word)
    seed = "" if row["seed"] is None else f"{row['seed']:.0f}"
    return {"experiment": row["experiment"], "cell": cell, "seed": seed, "reason": row["reason"]}


def _parts(table: Table) -> list[dict[str, Any]]:
    """A table split by metric; those that no verdict is made of start folded, and so do long ones."""
    if "Metric" not in table.display:
        return [_part(None, table.display, len(table.display) <= LONG)]
    return [
        _part(
            f"{metric} ({directions([str(metric)])})", without_empty(rows.drop(columns="Metric")), judged(str(metric))
        )
        for metric, rows in table.display.groupby("Metric", sort=False)
    ]


def _part(metric: str | None, rows: pd.DataFrame, is_open: bool) -> dict[str, Any]:
    right = [column for column in rows if str(column).startswith(NUMERIC)]
    return {"metric": metric, "open": is_open, "rows": rows, "right": right}


def sort_key(text: object) -> str:
    """The first number in a cell's text, by which the page sorts; empty where there is none."""
    number = re.search(r"-?\d[\d,]*\.?\d*(e-?\d+)?", str(text).replace(MINUS, "-"))
    return number[0].replace(",", "") if number else ""


def _sections(results: Results, parts: "Parts") -> list[dict[str, Any]]:
    """Headings in order, each with its findings, figures and table."""
    return [
        {
            "id": section.name,
            "title": section.title,
            "findings": [one for one in parts.findings if one.claim in section.claims],
            "figures": [parts.figures[figure.name] for figure in section.figures],
            "table": parts.tables.get(section.name),
            "parts": _parts(parts.tables[section.name]) if section.name in parts.tables else [],
        }
        for section in sections_of(results.inventory)
    ]


def _headlines(findings: list[Finding]) -> list[Finding]:
    """Of each experiment that was run the findings on its primary claim, or else the first one."""
    judged = [one for one in findings if one.verdict != "not run" or one.failed]
    by_experiment: dict[str, list[Finding]] = {}
    for one in judged:
        by_experiment.setdefault(one.claim.experiment, []).append(one)
    return [next((one for one in mine if one.claim.primary), mine[0]) for mine in by_experiment.values()]


def _not_here(findings: list[Finding], results: Results) -> list[str]:
    """Experiments with claims that this configuration does not ask for."""
    here = {section.name for section in sections_of(results.inventory)}
    return [name for name in dict.fromkeys(one.claim.experiment for one in findings) if name not in here]


@dataclass(frozen=True)
class Parts:
    """What a page is put together from.

    Attributes:
        findings: on every claim.
        figures: by name.
        tables: by name.
    """

    findings: list[Finding]
    figures: dict[str, Plate]
    tables: dict[str, Table]

    def broken(self) -> list[str]:
        """Sentences on what could not be made, for the top of the page."""
        claims = dict.fromkeys(finding.claim.experiment for finding in self.findings if finding.failed)
        kinds = {
            "the figures": [plate.name for plate in self.figures.values() if plate.failed],
            "the tables": [table.name for table in self.tables.values() if table.failed],
            "the findings of": [*claims],
        }
        return [
            f"Not made, because of an error: {kind} {listed(names)}. The reason stands in the right place, and the "
            "whole error in the log. Corrected code makes it again; else give `etsdm redo FILE`."
            for kind, names in kinds.items()
            if names
        ]


def parts_of(results: Results, report: Path) -> Parts:
    """All that the page shows of the measurements.

    Args:
        results: the measurements.
        report: folder of the report, with `figures/`.
    """
    tables = {table.name: table for table in build_tables(results)}
    return Parts(findings(results), plates(results, report), tables)


def page_environment() -> Environment:
    """What the templates of pages are rendered in: values are escaped, and pages have the colours of drawings."""
    environment = Environment(
        loader=PackageLoader("etsdm.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sort_key"] = sort_key
    environment.globals["colours"] = VARIABLES
    return environment


def render(results: Results, parts: Parts) -> str:
    """The page as HTML."""
    environment = page_environment()
    environment.filters |= {"formulas": formulas, "plain": asdict}
    return environment.get_template("report.html.j2").render(
        scripts=[(TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS],
        name=results.inventory["name"],
        warnings=[*parts.broken(), *warnings(results)],
        headlines=_headlines(parts.findings),
        plates=parts.figures,
        answer=overview(results, parts.findings),
        next_steps=next_steps(results, parts.findings),
        not_here=_not_here(parts.findings, results),
        rule=RULE_TEXT,
        arxiv=ARXIV,
        citation=citation(results),
        wide=WIDE,
        limits=limits(results),
        folded=FOLDED,
        provenance=without_places(what_was_run(results)),
        sections=_sections(results, parts),
        failures=_failures(results),
        measured=results.measured,
        config=yaml.safe_dump(without_places(results.config), sort_keys=False, allow_unicode=True),
    )


def write_page(report: Path, results: Path, published: Path | None) -> list[str]:
    """Write `report/report.html` from the rows and the figures already there; return the warnings at its top.

    Args:
        report: folder with `inventory.json`, `rows.csv`, `losses.csv` and `figures/`.
        results: root of the results, for manifests and the theory.
        published: CSV of the paper's results, or None.
    """
    loaded = load(report, results, published)
    parts = parts_of(loaded, report)
    write_text(report / "report.html", render(loaded, parts))
    return [*parts.broken(), *warnings(loaded)]
