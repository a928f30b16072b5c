"""The report as one HTML file: opens from disk, needs no network, reads on a phone."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from etsdm.files import read_json, write_text
from etsdm.report.cells import Results, duration, is_frechet, listed, load
from etsdm.report.contents import SAMPLED, experiments, figure_names
from etsdm.report.published import not_here, read_published
from etsdm.report.tables import Table, build_tables
from etsdm.report.verdicts import RULE, false_calls, findings

METRICS = {
    "fid-clean-inception": "FID: Frechet distance between Inception features, images resized by clean-fid; "
    "equal to clean-fid's own number within 1e-3.",
    "kid-clean-inception": "KID: unbiased kernel distance between the same features, over all pairs of images "
    "instead of random subsets.",
    "fd-classifier": "Frechet distance between features of a small classifier that this workflow trained on "
    "the data set's own labels. It is not FID and cannot be compared with any FID.",
    "kd-classifier": "Kernel distance between features of that classifier. It is not KID.",
}
VECTOR = ("lipschitz", "methods", "distance-by-nfe", "losses")
"""Figures put into the page as SVG; the sample grids go in as PNG."""


@dataclass(frozen=True)
class Plate:
    """A figure with its caption.

    Attributes:
        name: name of its files.
        title: heading.
        source: data URI of the image; empty if the file is missing.
        alt: what it shows, for those who can't see it.
        caption: sentences: settings, how the numbers were made, cost.
    """

    name: str
    title: str
    source: str
    alt: str
    caption: list[str] = field(default_factory=list)


# ---------------------------------------------------------------- what was run


def _settings(values: dict[str, Any], without: tuple[str, ...] = ("name", "nfe")) -> str:
    return ", ".join(f"{key} {_plain(value)}" for key, value in values.items() if key not in without)


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _named(values: dict[str, Any]) -> str:
    settings = _settings(values)
    return f"{values['name']} ({settings})" if settings else values["name"]


def _unique(values: list[Any]) -> list[Any]:
    return [value for i, value in enumerate(values) if value not in values[:i]]


def _blocks(results: Results) -> list[dict[str, Any]]:
    return [results.config["experiments"][name] for name in experiments(results.inventory)]


def _data(results: Results) -> list[str]:
    counts = results.rows.dropna(subset=["reference_count"]).groupby("dataset")["reference_count"].first()
    lines = []
    for spec in results.inventory["data"].values():
        name, side = spec["name"], spec["resolution"]
        source = spec.get("bundle") or spec.get("path") or spec["source"]
        count = f", {counts[name]:,.0f} images" if name in counts else ""
        colour = "grey" if spec["channels"] == 1 else "RGB"
        lines.append(f"{name}: {side}×{side} px, {colour}{count}; source: {spec['source']} {source}")
    return lines


def _methods(results: Results) -> list[str]:
    return _unique([_named(method) for block in _blocks(results) for method in block["methods"]])


def _schedules(results: Results) -> list[str]:
    default = results.config["diffusion"]["schedule"]
    return _unique([s for block in _blocks(results) for s in block["schedules"] or [default]])


def _solvers(block: dict[str, Any]) -> list[str]:
    return [f"{solver['name']} at {listed(solver['nfe'])} NFE ({_settings(solver)})" for solver in block["solvers"]]


def _metrics(results: Results) -> list[str]:
    names = [m for m in dict.fromkeys(results.rows["metric"]) if m.rsplit("-", 1)[0] in METRICS]
    return [f"{name}: {METRICS[name.rsplit('-', 1)[0]]}" for name in names]


def _manifests(paths: dict[str, Any], results: Path) -> dict[str, dict[str, Any]]:
    files = {path: results / path / "manifest.json" for path in paths}
    return {path: read_json(file) for path, file in files.items() if file.exists()}


def _encoders(inventory: dict[str, Any], results: Path) -> list[str]:
    lines = []
    for path, made in _manifests(inventory["encoders"], results).items():
        result = made["result"]
        if "accuracy" in result:
            right = f"{100 * result['accuracy']:.1f} % right on {result['held_out']:,} held-out images"
            lines.append(f"classifier for {path.split('/')[1]}: {right}")
    return lines


def _cost(inventory: dict[str, Any], results: Path) -> list[str]:
    """Time and peak memory by stage, and the devices, from the manifests."""
    lines, everything = [], []
    stages = {"training": "models", "encoders": "encoders", "sampling": "samples", "probes": "probes"}
    for stage, key in stages.items():
        made = list(_manifests(inventory[key], results).values())
        everything += made
        if made:
            seconds, peak = (
                sum(m["result"].get("seconds", m["seconds"]) for m in made),
                max(m["peak_memory_mb"] for m in made),
            )
            runs = "1 run" if len(made) == 1 else f"{len(made)} runs"
            lines.append(f"{stage}: {duration(seconds)} in {runs}, at most {peak:,} MB of memory each")
    devices = _unique([f"device: {m['device']} ({m['cpu']}, {m['cpus']} CPUs)" for m in everything])
    return lines + devices


def _revisions(results: Results) -> list[str]:
    known = [str(r) for r in results.rows["revision"].dropna().unique()]
    return [r[:12] for r in known] or ["not known"]


def what_was_run(results: Results, folder: Path) -> dict[str, list[str]]:
    """The facts at the head of the page: heading to lines."""
    config = results.config
    blocks = {name: config["experiments"][name] for name in experiments(results.inventory)}
    training, diffusion = config["training"], config["diffusion"]
    solvers = _unique([line for name in blocks if name in SAMPLED for line in _solvers(blocks[name])])
    facts = {
        "Data": _data(results),
        "Methods": _methods(results),
        "Seeds": [f"{listed(results.seeds)}: each trains a network of its own and samples from noise of its own"],
        "Diffusion": [
            f"{listed(_schedules(results))} schedule, T = {diffusion['timesteps']:,}, "
            f"{diffusion['time']} time, the network predicts {diffusion['prediction']}"
        ],
        "Network": [_settings(config["network"])],
        "Training": [f"{training['images']:,} images seen, " + _settings(training, ("images",))],
        "Solvers": solvers,
        "Metrics": _metrics(results),
        "Encoders": _encoders(results.inventory, folder),
        "Cost": _cost(results.inventory, folder),
        "Code": [f"revision {listed(_revisions(results))}"],
    }
    return {heading: lines for heading, lines in facts.items() if lines}


# ---------------------------------------------------------------- what it means


def limits(results: Results, published: pd.DataFrame) -> list[str]:
    """Plain sentences on what these measurements cannot show."""
    sides = sorted({spec["resolution"] for spec in results.inventory["data"].values()})
    seeds, config = len(results.seeds), results.config
    said = []
    if all(encoder["name"] == "classifier" for encoder in config["evaluation"]["encoders"]):
        said.append(
            "No FID was measured: the distances are in the features of a small classifier, so no level here "
            "can be compared with the paper's, only the direction and size of changes."
        )
    if max(sides) < 256:
        said.append(
            f"The images have {listed(sides)} px, the paper's 256. Sharing the condition costs nothing only "
            "if the network can read the noise level off the image itself, and few pixels tell it poorly: "
            "this run shows that the machinery works and what K does; it can neither confirm nor refute the "
            "paper's gain in FID."
        )
    spread = "has no spread" if seeds == 1 else "is a rough measure of spread"
    said.append(
        f"n = {seeds} {'seed' if seeds == 1 else 'seeds'}: few, so the standard deviation {spread} and every "
        "single value is given. The paper reports one run each."
        if seeds < 5
        else f"n = {seeds} seeds; the paper reports one run each."
    )
    if 1 < seeds < 10:
        said.append(
            f"With {seeds} seeds the rule below would call a difference in up to {100 * false_calls(seeds):.0f} % "
            "of cells even if there were none, and more cells of the same networks are not more evidence: read a "
            "single verdict with that in mind."
        )
    absent = not_here(published, experiments(results.inventory))
    if absent:
        said.append(f"Published experiments that are not part of this run: {listed(absent)}.")
    return said


# ---------------------------------------------------------------- figures


def _data_uri(folder: Path, name: str) -> str:
    suffix, kind = ("svg", "svg+xml") if name in VECTOR else ("png", "png")
    file = folder / f"{name}.{suffix}"
    return f"data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}" if file.exists() else ""


def _time_of(rows: pd.DataFrame, column: str, what: str) -> str:
    keys = {
        "seconds": ["file"],
        "train_seconds": ["dataset", "schedule", "method", "method_parameters", "seed"],
    }
    seconds = rows.drop_duplicates(keys[column])[column].dropna()
    if seconds.empty:
        return f"Cost of the {what}: not known."
    return f"Cost: {len(seconds)} {what} took {duration(seconds.sum())} in all."


def _lipschitz_caption(results: Results) -> list[str]:
    block, rows = results.config["experiments"]["lipschitz"], results.experiment("lipschitz")
    return [
        "K(t', t) = E‖ε(x_t, t) − ε(x_t, t')‖₂ / |t − t'|, both predictions at the same x_t; the norm runs "
        "over all pixels and channels.",
        f"Pairs (t − {block['fine_step']}, t) up to t = {block['fine_until']}, (t − {block['coarse_step']}, "
        f"t) above, up to t = {block['coarse_until']}; the mean over {block['images']:,} images at most, the "
        "same ones and the same noise for every network.",
        f"Line: mean over {_seed_words(results)}; band: lowest to highest seed; faint points: single seeds.",
        _time_of(rows, "seconds", "probes"),
    ]


def _seed_words(results: Results) -> str:
    return f"{'seed' if len(results.seeds) == 1 else 'seeds'} {listed(results.seeds)}"


def _distance_caption(results: Results, experiment: str, spread: str) -> list[str]:
    block, rows = results.config["experiments"][experiment], results.experiment(experiment)
    evaluation = results.config["evaluation"]
    return [
        f"Each value compares {evaluation['samples']:,} generated images with the whole data set; lower is better.",
        "Solvers: " + "; ".join(_solvers(block)) + ".",
        spread,
        _time_of(rows, "seconds", "sample sets"),
    ]


def _samples_caption(results: Results) -> list[str]:
    return [
        f"The first images of seed {results.seeds[0]}, not selected: each starts from the same noise for "
        "every method and solver. Each solver is shown at its largest budget; pixels are enlarged, not "
        "smoothed. First, real images.",
    ]


def _losses_caption(results: Results) -> list[str]:
    training = results.config["training"]
    return [
        f"Mean squared error of the noise prediction over {training['images']:,} images seen, batch "
        f"{training['batch']}, learning rate {training['learning_rate']:g}; logged every "
        f"{training['log_every']:,} images and averaged over at most 60 stretches. "
        f"Line: mean over {_seed_words(results)}; band: lowest to highest seed.",
        _time_of(results.rows, "train_seconds", "trainings"),
    ]


def plates(results: Results, folder: Path) -> dict[str, Plate]:
    """The figures of the report, with captions that state the resolved settings.

    Args:
        results: the measurements.
        folder: folder of the figures.
    """
    seeds = _seed_words(results)
    band = f"Line: mean over {seeds}; band: lowest to highest seed; faint points: single seeds."
    bars = f"Bar: mean over {seeds}; line: ± one standard deviation; points: single seeds."
    if any(encoder["name"] == "inception" for encoder in results.config["evaluation"]["encoders"]):
        bars += " Dash: the paper's FID, where it has that data set."
    texts = {
        "lipschitz": ("Time-Lipschitz constants", "K against timestep for each method", _lipschitz_caption),
        "methods": (
            "Distance by method",
            "Bars of the distance for each data set and method",
            lambda r: _distance_caption(r, "datasets", bars),
        ),
        "distance-by-nfe": (
            "Distance against NFE",
            "Distance against the number of network evaluations for each solver and method",
            lambda r: _distance_caption(r, "fast-sampling", band),
        ),
        "samples": ("Samples", "Generated images of each method side by side", _samples_caption),
        "losses": ("Training loss", "Training loss against images seen for each method", _losses_caption),
    }
    made = {}
    for name in figure_names(results.inventory):
        title, alt, caption = texts[name]
        alt = f"{alt}; the numbers are in the tables."
        made[name] = Plate(name, title, _data_uri(folder, name), alt, caption(results))
    return made


# ---------------------------------------------------------------- the page


def _failures(results: Results) -> list[dict[str, Any]]:
    columns = ["experiment", "dataset", "schedule", "method_label", "solver_label", "nfe", "seed", "reason"]
    failed = results.failures[columns].astype(object)
    return [dict(zip(columns, row, strict=True)) for row in failed.where(failed.notna(), None).values.tolist()]


def _parts(table: Table) -> list[dict[str, Any]]:
    """A table split by metric; those that are not Frechet distances start folded."""
    if "Metric" not in table.display:
        return [{"metric": None, "open": True, "rows": table.display}]
    return [
        {"metric": metric, "open": is_frechet(str(metric)), "rows": rows.drop(columns="Metric")}
        for metric, rows in table.display.groupby("Metric", sort=False)
    ]


def _sections(results: Results, tables: dict[str, Table], figures: dict[str, Plate]) -> list[dict[str, Any]]:
    """Headings in order, each with its figures and its table."""
    plan = [
        ("lipschitz", "Time-Lipschitz constants", ["lipschitz"]),
        ("datasets", "E-TSDM against DDPM", ["methods"]),
        ("fast-sampling", "Few-step solvers", ["distance-by-nfe"]),
        ("samples", "Samples", ["samples"]),
        ("training", "Training", ["losses"]),
        ("costs", "Cost", []),
    ]
    return [
        {
            "id": key,
            "title": title,
            "figures": [figures[name] for name in names if name in figures],
            "table": tables.get(key),
            "parts": _parts(tables[key]) if key in tables else [],
        }
        for key, title, names in plan
        if key in tables or any(name in figures for name in names)
    ]


def render(results: Results, published: pd.DataFrame, folder: Path, figures: Path) -> str:
    """The page as HTML.

    Args:
        results: the measurements.
        published: the paper's values.
        folder: root of the results, for manifests.
        figures: folder of the figures.
    """
    environment = Environment(
        loader=PackageLoader("etsdm.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found = findings(results, published)
    confirmed = ("same direction and size", "same direction")
    return environment.get_template("report.html.j2").render(
        name=results.inventory["name"],
        findings=found,
        confirmed=[f for f in found if f.verdict in confirmed],
        not_confirmed=[f for f in found if f.verdict not in confirmed],
        rule=RULE,
        limits=limits(results, published),
        facts=what_was_run(results, folder),
        sections=_sections(results, {t.name: t for t in build_tables(results, published)}, plates(results, figures)),
        failures=_failures(results),
        measured=len(results.rows.drop_duplicates(["experiment", "file"])),
        config=yaml.safe_dump(results.config, sort_keys=False, allow_unicode=True),
    )


def write_page(report: Path, results: Path, published: Path | None) -> None:
    """Write `report/report.html` from the rows and the figures already there.

    Args:
        report: folder with `inventory.json`, `rows.csv`, `losses.csv` and `figures/`.
        results: root of the results, for manifests.
        published: CSV of the paper's results, or None.
    """
    page = render(load(report), read_published(published), results, report / "figures")
    write_text(report / "report.html", page)
