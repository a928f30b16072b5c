"""Tables of the report: CSV with everything, Markdown and LaTeX for people."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from etsdm.files import atomic, write_text
from etsdm.report.cells import (
    METHOD,
    SETTING,
    SOLVER,
    Cell,
    Results,
    baseline,
    cells,
    duration,
    load,
    mean_sd,
    number,
    percent,
    same,
)
from etsdm.report.contents import table_names
from etsdm.report.published import published_k, published_value, read_published
from etsdm.report.verdicts import cell_verdict, change, published_change

CONSTANTS = {"Data": "data", "Schedule": "schedule", "Metric": "metric", "Device": "device"}
"""Columns that go into the heading where all rows agree."""


@dataclass(frozen=True)
class Table:
    """A table in two forms.

    Attributes:
        name: name of its files.
        title: what it shows, and what all of its rows have in common.
        full: every value, unrounded.
        display: the same as short text.
    """

    name: str
    title: str
    full: pd.DataFrame
    display: pd.DataFrame


def build_tables(results: Results, published: pd.DataFrame) -> list[Table]:
    """The tables that `contents.table_names` lists."""
    return [
        lipschitz_table(results)
        if name == "lipschitz"
        else cost_table(results)
        if name == "costs"
        else distance_table(results, published, name)
        for name in table_names(results.inventory)
    ]


def _values(by_seed: dict[int, float]) -> str:
    return ", ".join(number(value) for value in by_seed.values())


def _all_values(by_seed: dict[int, float]) -> dict[str, str]:
    return {"seeds": " ".join(map(str, by_seed)), "values": " ".join(repr(v) for v in by_seed.values())}


def _folded(title: str, display: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Move columns that hold one value throughout into the title."""
    common = [c for c in CONSTANTS if c in display and display[c].nunique() == 1]
    facts = "; ".join(f"{CONSTANTS[c]} {display[c].iloc[0]}" for c in common)
    return f"{title} ({facts})" if facts else title, display.drop(columns=common)


def _data(cell: Cell) -> str:
    return f"{cell['dataset']}, {cell['resolution']} px"


# ---------------------------------------------------------------- distances


def distance_table(results: Results, published: pd.DataFrame, experiment: str) -> Table:
    """Distances of one experiment: a row for each method in each cell, the change against ddpm."""
    table = cells(results.experiment(experiment))
    full, display = [], []
    for _, cell in table.iterrows():
        base = baseline(table, cell)
        paper = published_value(published, cell)
        row = {column: cell[column] for column in [*SETTING, *SOLVER[:2], "nfe", "metric", *METHOD[:2]]}
        row |= {"n": cell["n"], "mean": cell["mean"], "sd": cell["sd"], **_all_values(cell["by_seed"])}
        paper_change = None if base is None else published_change(published, base, cell)
        moved = None if base is None else change(base["by_seed"], cell["by_seed"])
        outcome = None if moved is None else cell_verdict(moved.differences, moved.percent, paper_change)
        row |= {
            "change_percent": moved and moved.percent,
            "change_sd": moved and moved.sd,
            "verdict": outcome,
            "published": paper,
            "published_change_percent": paper_change,
            "seconds": cell["seconds"],
            "reason": cell["reason"],
        }
        full.append(row)
        display.append(
            {
                "Data": _data(cell),
                "Schedule": cell["schedule"],
                "Solver": cell["solver_label"],
                "NFE": f"{cell['nfe']:.0f}",
                "Metric": cell["metric"],
                "Method": cell["method_label"],
                "Mean ± sd": mean_sd(cell["mean"], cell["sd"]),
                "n": cell["n"],
                "Values": _values(cell["by_seed"]),
                "Change": percent(moved.percent, moved.sd) if moved else "",
                "Verdict": outcome or "",
                "Paper": f"{paper:g}" if paper is not None else "",
                "Paper's change": percent(paper_change) if paper_change is not None else "",
                "Note": cell["reason"],
            }
        )
    shown = pd.DataFrame(display)
    shown = pd.concat([shown[shown["Metric"] == metric] for metric in shown["Metric"].unique()])
    for optional in ("Paper", "Paper's change", "Note"):
        if not shown[optional].any():
            shown = shown.drop(columns=optional)
    title = f"Experiment {experiment}: distance to the data, lower is better"
    if experiment == "fast-sampling" and "Paper" in shown:
        title += "; the paper's values are FIDs at 256 px on a data set that it does not name"
    title, shown = _folded(title, shown)
    return Table(experiment, title, pd.DataFrame(full), shown.reset_index(drop=True))


# ---------------------------------------------------------------- time-Lipschitz constants


def lipschitz_table(results: Results) -> Table:
    """K(t', t) by pair of times, a column for each method, raw and over the square root of the dimension."""
    table = cells(results.experiment("lipschitz"))
    full, display = [], []
    for _, cell in table.iterrows():
        full.append(
            {column: cell[column] for column in [*SETTING, *METHOD[:2], "metric", "t_prime", "t"]}
            | {"n": cell["n"], "mean": cell["mean"], "sd": cell["sd"], **_all_values(cell["by_seed"])}
            | {"published": published_k(cell), "reason": cell["reason"]}
        )
    methods = list(dict.fromkeys(table["method_label"]))
    pairs = table.dropna(subset=["t"]).drop_duplicates([*SETTING, "t_prime", "t"])
    for _, pair in pairs.iterrows():
        here = same(table, pair, [*SETTING, "t_prime", "t"])
        row = {
            "Data": _data(pair),
            "Schedule": pair["schedule"],
            "t'": int(pair["t_prime"]),
            "t": int(pair["t"]),
        }
        for metric, symbol in (("K", "K"), ("K-per-sqrt-dimension", "K/√d")):
            for label in methods:
                cell = here[(here["method_label"] == label) & (here["metric"] == metric)]
                text = mean_sd(cell["mean"].iloc[0], cell["sd"].iloc[0]) if len(cell) else "NA"
                row[f"{symbol} {label}"] = text
        paper = {cell["method_label"]: published_k(cell) for _, cell in here[here["metric"] == "K"].iterrows()}
        for label in methods:
            known = paper.get(label)
            row[f"Paper's K {label}"] = "" if known is None else f"{known:g}"
        display.append(row)
    shown = pd.DataFrame(display)
    shown = shown[[column for column in shown if not str(column).startswith("Paper") or shown[column].any()]]
    title, shown = _folded(
        f"Time-Lipschitz constants K(t', t), mean ± sd over n = {len(results.seeds)} seeds; d is the number "
        "of values in an image; the paper's are read off its figure, of other data and another network",
        shown,
    )
    return Table("lipschitz", title, pd.DataFrame(full), shown)


# ---------------------------------------------------------------- costs


def cost_table(results: Results) -> Table:
    """Seconds of each training and of each sample set, over seeds, and on which device."""
    rows = results.rows
    training = rows.drop_duplicates(["dataset", "time", "schedule", "method", "method_parameters", "seed"])
    training = training.assign(stage="train", solver_label=None, nfe=None, images=results.config["training"]["images"])
    training["seconds"] = training["train_seconds"]
    sampling = rows[rows["solver"].notna()]
    sampling = sampling.drop_duplicates(
        ["dataset", "time", "schedule", "method", "method_parameters", *SOLVER[:2], "nfe", "seed"]
    ).assign(stage="sample", images=results.config["evaluation"]["samples"])
    keys = [*SETTING[1:], "stage", "solver_label", "nfe", "method_label", "images"]
    full = []
    for key, group in pd.concat([training, sampling]).groupby(keys, dropna=False, sort=False):
        seconds = group["seconds"].dropna()
        devices = " ".join(sorted(set(group["device"].dropna().astype(str))))
        full.append(
            dict(zip(keys, key, strict=True))
            | {
                "n": len(seconds),
                "seconds_mean": seconds.mean(),
                "seconds_sd": seconds.std(),
                "device": devices,
            }
        )
    frame = pd.DataFrame(full)
    display = []
    for _, group in frame.groupby([*SETTING[1:], "stage", "solver_label", "nfe"], dropna=False, sort=False):
        line = group.iloc[0]
        display.append(
            {
                "Data": _data(line),
                "Schedule": line["schedule"],
                "Stage": line["stage"],
                "Solver": "" if pd.isna(line["solver_label"]) else line["solver_label"],
                "NFE": "" if pd.isna(line["nfe"]) else f"{line['nfe']:.0f}",
                "Images": f"{line['images']:,}",
            }
            | {
                f"Time {method}": _time(group[group["method_label"] == method])
                for method in frame["method_label"].unique()
            }
            | {"Device": " ".join(sorted(set(group["device"]))) or "NA"}
        )
    title = f"Cost: time of one training and of one sample set, mean ± sd over n = {len(results.seeds)} seeds"
    title, shown = _folded(title, pd.DataFrame(display))
    return Table("costs", title, frame, shown)


def _time(line: pd.DataFrame) -> str:
    return duration(line["seconds_mean"].iloc[0], line["seconds_sd"].iloc[0]) if len(line) else "NA"


# ---------------------------------------------------------------- writing


def _markdown(table: Table) -> str:
    numeric = [
        "right"
        if column in ("NFE", "n", "t", "t'") or str(column).startswith(("Mean", "K", "Paper", "Change", "Time"))
        else "left"
        for column in table.display
    ]
    body = table.display.to_markdown(index=False, colalign=numeric, disable_numparse=True)
    return f"{table.title}.\n\n{body}\n"


def _latex(table: Table) -> str:
    text = table.display.drop(columns="Values", errors="ignore").to_latex(
        index=False, escape=True, caption=_escaped(table.title), label=f"tab:{table.name}"
    )
    for sign, command in (("±", r"$\pm$"), ("−", "$-$"), ("–", "--"), ("√d", r"$\sqrt{d}$")):
        text = text.replace(sign, command)
    return text


def _escaped(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%")


def write_table(table: Table, folder: Path) -> None:
    """Write `<name>.csv`, `.md` and `.tex`."""
    with atomic(folder / f"{table.name}.csv") as temporary:
        table.full.to_csv(temporary, index=False)
    write_text(folder / f"{table.name}.md", _markdown(table))
    write_text(folder / f"{table.name}.tex", _latex(table))


def write_tables(report: Path, published: Path | None) -> None:
    """Write the report's tables into `report/tables`.

    Args:
        report: folder with `inventory.json`, `rows.csv` and `losses.csv`.
        published: CSV of the paper's results, or None.
    """
    for table in build_tables(load(report), read_published(published)):
        write_table(table, report / "tables")
