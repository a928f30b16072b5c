"""What makes a run mean little: plain sentences, each with its numbers and what to do, from the result files alone."""

from typing import Any

from etsdm.report.manifests import image_counts
from etsdm.report.provenance import Origin, counted, origins, torches
from etsdm.report.results import Results
from etsdm.report.text import listed
from etsdm.runtime.finite import NOT_FINITE
from etsdm.runtime.intact import read_manifest

SATURATED_MORE = 0.25
"""Clipped noise: the share of values at 0 or 255 exceeds that of the data by more than this."""
PASSES = 2
"""Undertrained: fewer passes over the images than this."""


def warnings(results: Results) -> list[str]:
    """Sentences on what makes the values of a run mean little; none for a sound run."""
    origin_of = origins(results)
    return [
        *_encoders(results),
        *_clipped(results),
        *_undertrained(results),
        *_not_finite(results),
        *_code(origin_of),
        *_torch(results, origin_of),
    ]


def _encoders(results: Results) -> list[str]:
    """Classifiers that are less than halfway from the share of the most common class to 1."""
    sentences = []
    for path, data in _used(results, "encoder").items():
        result = _result(results, path)
        if "majority" in result and result["accuracy"] < (1 + result["majority"]) / 2:
            sentences.append(
                f"The classifier for {_name(results, data)} is right on {_percent(result['accuracy'])} of "
                f"{result['held_out']:,} held-out images; naming the most common class every time is right on "
                f"{_percent(result['majority'])}. Distances in its features say little. Give it more epochs in "
                "evaluation.encoders, or take the encoder inception."
            )
    return sentences


def _clipped(results: Results) -> list[str]:
    """Data sets of whose sample sets some are black or white in a larger part than the data are."""
    sentences, by_data = [], dict[str, list[float]]()
    for path, data in _used(results, "run").items():
        if "saturated" in (result := _result(results, path)):
            by_data.setdefault(data, []).append(result["saturated"])
    for data, shares in by_data.items():
        own = _result(results, data).get("saturated", 1.0)
        if clipped := [share for share in shares if share > own + SATURATED_MORE]:
            sentences.append(
                f"In {len(clipped)} of {len(shares)} sample sets of {_name(results, data)}, up to "
                f"{_percent(max(clipped))} of the pixel values are black or white; of the data's, {_percent(own)} are. "
                "These images are clipped noise, and their distances say little. Train longer, or set clip_x0: true "
                "in the solver."
            )
    return sentences


def _undertrained(results: Results) -> list[str]:
    """Data sets whose images a training from random weights sees fewer than `PASSES` times."""
    training, counts = results.config["training"], image_counts(results)
    passes = {data: training["images"] / counts[data] for data in _used(results, "model").values() if data in counts}
    return [
        f"Networks for {_name(results, data)} saw each of its {counts[data]:,} images {seen:.2g} times on average: "
        f"they are undertrained. Set training.images to {PASSES * counts[data]:,} or more."
        for data, seen in passes.items()
        if seen < PASSES and not training.get("initial")
    ]


def _not_finite(results: Results) -> list[str]:
    """Measurements without a value because a number on the way was not finite."""
    failed = results.failures[results.failures["reason"].astype(str).str.contains(NOT_FINITE)]
    if failed.empty:
        return []
    return [
        f"In {listed(list(failed['experiment'].unique()))}, {len(failed)} of {results.measured} measurements have no "
        f"value, because numbers were {NOT_FINITE}: something diverged. The reasons are under Failed cells. Lower "
        "training.learning_rate, or set clip_x0: true in the solver."
    ]


def _code(origin_of: dict[str, Origin]) -> list[str]:
    """An edited working copy, or several revisions, behind the results."""
    all_origins = list(origin_of.values())
    edited, revisions = [one for one in all_origins if one.edited], {one.revision for one in all_origins}
    mixed = f"The revisions are {listed(counted([one.code for one in all_origins]))}."
    if edited:
        return [
            f"{len(edited):,} of {len(all_origins):,} results were made by an edited working copy: no revision holds "
            f"their code. {mixed} Commit the changes, and give `etsdm redo FILE` for what is to be made again."
        ]
    if len(revisions) > 1:
        return [
            f"{len(all_origins):,} results were made at {len(revisions)} revisions. {mixed} The workflow makes "
            "again what changed code decides; a report that was built without it may mix old and new results."
        ]
    return []


def _torch(results: Results, origin_of: dict[str, Origin]) -> list[str]:
    """Experiments whose results come from different versions of PyTorch."""
    mixed = torches(results, origin_of)
    if not mixed:
        return []
    each = "; ".join(f"{experiment}: {listed(counted(versions))}" for experiment, versions in mixed.items())
    return [
        f"Results of one experiment were made by different versions of PyTorch, which differ in the last bits and "
        f"sometimes in more ({each}). Make them again by one version: remove them, or give `etsdm redo FILE`."
    ]


def _used(results: Results, key: str) -> dict[str, str]:
    """The runs that measurements name by `key`, each with its data set."""
    return {m[key]: m["data"] for m in results.inventory["measurements"] if m[key] and m["data"]}


def _result(results: Results, path: str) -> dict[str, Any]:
    """The result in the manifest of a run; empty where it has not ended."""
    manifest = read_manifest(results.root / path / "manifest.json")
    return manifest["result"] if manifest else {}


def _name(results: Results, data: str) -> str:
    spec = results.inventory["data"][data]
    return f"{spec['name']} at {spec['resolution']} px"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
