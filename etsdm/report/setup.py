"""How a run was set up: its data, methods, settings and cost."""

from typing import Any

from etsdm.report import metrics
from etsdm.report.captions import solvers
from etsdm.report.cells import rows_of
from etsdm.report.contents import experiments
from etsdm.report.manifests import devices, image_counts, runs
from etsdm.report.names import method_name, setting_name
from etsdm.report.provenance import counted, origins
from etsdm.report.results import Results
from etsdm.report.text import duration, listed, settings, unique


def _named(values: dict[str, Any]) -> str:
    words = settings(values)
    return f"{values['name']} ({words})" if words else values["name"]


def data(results: Results) -> list[str]:
    """Each data set: size, colour, count and source."""
    counts, lines = image_counts(results), []
    for path, spec in results.inventory["data"].items():
        side = spec["resolution"]
        source = spec.get("bundle") or spec.get("path") or spec["source"]
        split = "" if spec.get("split", "all") == "all" else f", {spec['split']} split"
        count = f", {counts[path]:,} images" if path in counts else ""
        colour = "grey" if spec["channels"] == 1 else "RGB"
        lines.append(f"{spec['name']}: {side}×{side} px, {colour}{count}{split}; source: {spec['source']} {source}")
    return lines


def _diffusion(results: Results) -> list[str]:
    texts = [
        ", ".join(
            [f"{d['schedule']} schedule", f"{d['time']} time", f"the network predicts {d['prediction']}", *_loss(d)]
        )
        for d in (model["diffusion"] for model in results.inventory["models"].values())
    ]
    return [f"T = {results.config['diffusion']['timesteps']:,}", *unique(texts)]


def _loss(diffusion: dict[str, Any]) -> list[str]:
    """How the loss counts times, where that is not the usual."""
    words = {"training_times": "training times", "loss_weight": "loss weight"}
    return [f"{word} {_named(diffusion[key])}" for key, word in words.items() if diffusion.get(key)]


def _methods(results: Results) -> list[str]:
    return unique([_method(model["method"]) for model in results.inventory["models"].values()])


def _method(values: dict[str, Any]) -> str:
    words = settings({setting_name(key): value for key, value in values.items()})
    return f"{method_name(values['name'])} ({words})" if words else method_name(values["name"])


def _all_solvers(results: Results) -> list[str]:
    return unique([line for name in experiments(results.inventory) for line in solvers(results, name)])


def _metrics(results: Results) -> list[str]:
    described = {name: metrics.of(name).description for name in dict.fromkeys(results.rows["metric"])}
    return [f"{name}: {description}" for name, description in described.items() if description]


def _encoders(results: Results) -> list[str]:
    lines = []
    for run in rows_of(runs(results).query("stage == 'encoders'")):
        result = run["result"]
        if "accuracy" in result:
            right = f"{100 * result['accuracy']:.1f} % right on {result['held_out']:,} held-out images"
            lines.append(f"classifier for {run['path'].split('/')[1]}: {right}")
    return lines


def cost(results: Results) -> list[str]:
    """Time and peak memory by stage, and the devices."""
    costs, lines = runs(results), []
    for stage, group in costs.groupby("stage", sort=False):
        count = "1 run" if len(group) == 1 else f"{len(group)} runs"
        memory = f"{group['memory'].max():,.0f} MB of memory each"
        lines.append(f"{stage}: {duration(group['seconds'].sum())} in {count}, at most {memory}")
    return lines + [f"device: {device}" for device in devices(costs)]


def revisions(results: Results) -> list[str]:
    """Git revisions of the code behind the results, and whether the working copy was edited."""
    known = list(dict.fromkeys(origin.code for origin in origins(results).values()))
    return known or ["not known"]


def _code(results: Results) -> list[str]:
    clean = {
        revision: "" if revision.endswith(("edited", "known")) else ", not edited" for revision in revisions(results)
    }
    return [f"revision {revision}{words}" for revision, words in clean.items()]


def _packages(results: Results) -> list[str]:
    """Versions of Python and of packages, each combination with the number of results that it made."""
    return counted([origin.versions for origin in origins(results).values() if origin.versions])


def _training(training: dict[str, Any]) -> list[str]:
    lines = [f"{training['images']:,} images seen, " + settings(training, ("images", "initial", "snapshots"))]
    if snapshots := training.get("snapshots"):
        kept, half_lives = ([f"{n:,}" for n in snapshots[key]] for key in ("images", "ema_half_lives"))
        lines.append(f"snapshots after {listed(kept)} images, of weights averaged with half-life {listed(half_lives)}")
    if initial := training.get("initial"):
        lines.append(f"from the weights {initial['weights']}, SHA-256 {initial['sha256'][:12]}")
    return lines


def what_was_run(results: Results) -> dict[str, list[str]]:
    """Heading to lines."""
    config = results.config
    headings = {
        "Data": data(results),
        "Methods": _methods(results),
        "Seeds": [f"{listed(results.seeds)}: each trains a network of its own and samples from noise of its own"],
        "Diffusion": _diffusion(results),
        "Network": [settings(config["network"])],
        "Training": _training(config["training"]),
        "Solvers": _all_solvers(results),
        "Metrics": _metrics(results),
        "Encoders": _encoders(results),
        "Cost": cost(results),
        "Code": _code(results),
        "Packages": _packages(results),
    }
    return {heading: lines for heading, lines in headings.items() if lines}
