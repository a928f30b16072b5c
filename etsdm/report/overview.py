"""The first lines of the page, and the limits of what was measured."""

from etsdm.report.contents import experiments
from etsdm.report.findings.finding import Finding
from etsdm.report.manifests import devices, runs
from etsdm.report.published import not_here
from etsdm.report.results import Results
from etsdm.report.setup import data
from etsdm.report.text import duration, listed
from etsdm.report.verdicts import RULE, YES

KINDS = {
    "models": ("network", "networks"),
    "samples": ("sample set", "sample sets"),
    "restorations": ("set of restored images", "sets of restored images"),
    "probes": ("probe", "probes"),
}
RULE_TEXT = (
    f"{RULE} Of the distances verdicts are made of the Frechet distances only, as the paper's are; all others "
    "are in the tables. All sentences here are computed from the measured values."
)


def overview(results: Results, findings: list[Finding]) -> list[str]:
    """The first sentences of the page: the gain, what was run, how long it took, and what failed."""
    images = "; ".join(line.split("; source")[0] for line in data(results))
    return [gain(findings), _run(results), f"Images: {images}.", _time(results), _values(results)]


def _run(results: Results) -> str:
    counts = {words: len(results.inventory[kind]) for kind, words in KINDS.items()}
    counted_stages = listed([f"{n:,} {words[n > 1]}" for words, n in counts.items() if n]) or "no network"
    names = experiments(results.inventory)
    seeds = f"{'seed' if len(results.seeds) == 1 else 'seeds'} {listed(results.seeds)}"
    return f"{len(names)} experiment{'s' if len(names) > 1 else ''} ({', '.join(names)}): {counted_stages}; {seeds}."


def _time(results: Results) -> str:
    costs = runs(results)
    if costs.empty:
        return "Nothing has ended."
    by_stage = costs.groupby("stage", sort=False)["seconds"].sum()
    stages = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in by_stage.items())
    return f"{duration(costs['seconds'].sum())} summed over all runs ({stages}), on {listed(devices(costs))}."


def _values(results: Results) -> str:
    failed, measured = len(results.failures), results.measured
    return (
        f"{failed} of {measured} measurements have no value; the reasons are under Failed cells."
        if failed
        else f"All {measured} measurements have a value."
    )


def gain(findings: list[Finding]) -> str:
    """Whether the paper's gain in FID shows, in plain words."""
    judged = [f for f in findings if f.claim.gain and f.verdict != "not run" and f.role != "exploratory"]
    if not judged:
        return "Whether E-TSDM lowers the distance to the data was not measured."
    kinds = {
        "E-TSDM lowers the distance to the data, as the paper says of FID, in": YES,
        "Against the paper, E-TSDM raises the distance in": ("opposite",),
        "E-TSDM's distance is equivalent to DDPM's in": ("equivalent",),
        "Whether E-TSDM lowers the distance is undecided in": ("undecided",),
    }
    named = {words: _experiments([f for f in judged if f.verdict in verdicts]) for words, verdicts in kinds.items()}
    return " ".join(f"{words} {listed(experiments)}." for words, experiments in named.items() if experiments)


def _experiments(findings: list[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.claim.experiment for finding in findings))


def limits(results: Results) -> list[str]:
    """Plain sentences on what these measurements cannot show."""
    sides = sorted({spec["resolution"] for spec in results.inventory["data"].values()})
    seeds, config = len(results.seeds), results.config
    sentences = []
    if all(encoder["name"] == "classifier" for encoder in config["evaluation"]["encoders"]):
        sentences.append(
            "No FID was measured: the distances are in the features of a small classifier. Only the direction and size "
            "of changes can be compared with the paper's, not the levels."
        )
    if sides and max(sides) < 256:
        sentences.append(
            f"The images have {listed(sides)} px, the paper's 256. Sharing the condition costs nothing only "
            "if the network can read the noise level off the image itself. Few pixels show it poorly. "
            "This run shows that the machinery works and what K does. It can neither confirm nor refute the "
            "paper's gain in FID."
        )
    sentences += _of_seeds(seeds)
    absent = not_here(results.published, experiments(results.inventory))
    if absent:
        sentences.append(f"Published experiments that are not part of this run: {listed(absent)}.")
    return sentences


def _of_seeds(seeds: int) -> list[str]:
    if seeds == 1:
        return ["n = 1 seed: chance cannot be ruled out, so everything is undecided. The paper reports one run each."]
    few = "few, so that only large changes can be seen, and every single value is given"
    return [f"n = {seeds} seeds{f': {few}' if seeds < 5 else ''}. The paper reports one run each."]
