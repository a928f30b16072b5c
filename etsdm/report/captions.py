"""The figures of the page with their captions, which state the resolved settings."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from etsdm.report.contents import figure_names
from etsdm.report.facts import solvers
from etsdm.report.results import Results
from etsdm.report.text import duration, listed

RASTER = ("samples", "super-resolution")
"""Figures that are pictures themselves."""
HEAVY = 400_000
"""Bytes above which a drawing goes into the page as PNG instead of SVG."""
LOWER = "lower is better"


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


def _data_uri(folder: Path, name: str) -> str:
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    drawn = name not in RASTER and svg.exists() and svg.stat().st_size <= HEAVY
    file, kind = (svg, "svg+xml") if drawn else (png, "png")
    return f"data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}" if file.exists() else ""


def seed_words(results: Results) -> str:
    """The seeds as text."""
    return f"{'seed' if len(results.seeds) == 1 else 'seeds'} {listed(results.seeds)}"


def _band(results: Results) -> str:
    return f"Line: mean over {seed_words(results)}; band: lowest to highest seed; faint points: single seeds."


def _time_of(results: Results, experiment: str, what: str) -> str:
    seconds = results.experiment(experiment).drop_duplicates("file")["seconds"].dropna()
    if seconds.empty:
        return f"Cost of the {what}: not known."
    return f"Cost: {len(seconds)} {what} took {duration(seconds.sum())} in all."


def _pairs(block: dict[str, int]) -> str:
    return (
        f"Pairs (t − {block['fine_step']}, t) up to t = {block['fine_until']}, (t − {block['coarse_step']}, "
        f"t) above, up to t = {block['coarse_until']}; the mean over {block['images']:,} images at most, the "
        "same ones and the same noise for every network."
    )


def _distances(results: Results, experiment: str) -> list[str]:
    count = results.config["evaluation"]["samples"]
    return [
        f"Each value compares {count:,} generated images with the whole data set; {LOWER}.",
        "Solvers: " + "; ".join(solvers(results, experiment)) + ".",
    ]


def _paired(experiment: str, title: str, published: str) -> Callable[[Results], list[str]]:
    def caption(results: Results) -> list[str]:
        return [
            title,
            *_distances(results, experiment),
            f"Left: mean ± standard deviation over {seed_words(results)}, ticks: single seeds. Right: change against "
            f"ddpm, paired by seed, with its 95 % interval (none for one seed). {published}",
            _time_of(results, experiment, "sample sets"),
        ]

    return caption


def _lipschitz(results: Results) -> list[str]:
    return [
        "K(t', t) = E‖ε(x_t, t) − ε(x_t, t')‖₂ / |t − t'|, both predictions at the same x_t; the norm runs "
        "over all pixels and channels.",
        _pairs(results.block("lipschitz")),
        _band(results),
        "Last panel: the paper's curves, read off its figure.",
        _time_of(results, "lipschitz", "probes"),
    ]


def _datasets(results: Results) -> list[str]:
    bars = f"Bar: mean over {seed_words(results)}; line: ± one standard deviation; points: single seeds."
    if any(encoder["name"] == "inception" for encoder in results.config["evaluation"]["encoders"]):
        bars += " Dash: the paper's FID, where it has that data set."
    return [*_distances(results, "datasets"), bars, _time_of(results, "datasets", "sample sets")]


def _fast_sampling(results: Results) -> list[str]:
    return [
        *_distances(results, "fast-sampling"),
        _band(results),
        _time_of(results, "fast-sampling", "sample sets"),
    ]


def _ablation(results: Results) -> list[str]:
    return [
        f"Change of the distance against ddpm and its 95 % interval, over {seed_words(results)}, for each t̃ and number "
        "n of sub-intervals. The paper has this experiment, but its numbers could not be reached, so there are none to "
        "compare with.",
        *_distances(results, "ablation"),
        _time_of(results, "ablation", "sample sets"),
    ]


def _stability(results: Results) -> list[str]:
    block = results.block("stability")
    return [
        f"Noise of each standard deviation is added to x_t at t = {block['t']}; the mean squared change of x_0 over "
        f"its values, images in [−1, 1], and over {block['images']:,} images at most. Predicted: by one evaluation; "
        f"solved: by DDIM with {block['nfe']} NFE.",
        _band(results),
        "Change against ddpm: with its 95 % interval; diamonds: the paper's. The paper's unit is not "
        "known, so only its changes can be compared.",
        _time_of(results, "stability", "probes"),
    ]


def _super_resolution(results: Results) -> list[str]:
    block = results.block("super-resolution")
    return [
        f"The first images of {block['test']}, which are not trained on, not selected: reduced by {block['factor']} "
        f"and enlarged again, restored by each method (seed {results.seeds[0]}, largest budget), and the truth.",
        "Solvers: " + "; ".join(solvers(results, "super-resolution")) + ".",
        _time_of(results, "super-resolution", "sets of restored images"),
    ]


def _solver_error(results: Results) -> list[str]:
    block = results.block("solver-error")
    return [
        "Root mean square distance, over values and images, between a solver's x at the end of sampling and that of a "
        f"tight reference (DPM-Solver++ 3M with {block['reference_nfe']} NFE, restarted at jumps of the condition), of "
        f"the same network and from the same noise; {block['images']:,} images; {LOWER}. Each method is measured "
        "against its own exact solution.",
        _band(results),
        _time_of(results, "solver-error", "probes"),
    ]


def _resolution(results: Results) -> list[str]:
    return [
        "Top: change of the distance against ddpm, paired by seed, with its 95 % interval. Below: "
        "K(t', t) over the square root of the number of values in an image.",
        _pairs(results.block("resolution")),
        *_distances(results, "resolution"),
        _band(results),
    ]


def _progress(results: Results) -> list[str]:
    return [
        "Each point is a network as it was then: its averaged weights after the first step at or beyond that count of "
        "images. Dashes tell apart the half-lives of the average, in images.",
        "K(t', t) = E‖ε(x_t, t) − ε(x_t, t')‖₂ / |t − t'|, at the smallest t, and the largest over all t.",
        _pairs(results.block("progress")),
        *_distances(results, "progress"),
        _band(results),
        _time_of(results, "progress", "sample sets and probes"),
    ]


def _theory_data(results: Results) -> str:
    theory = results.theory
    if theory is None:
        return ""
    return (
        f"eps* is the best noise prediction on a mixture of Gaussians in {theory['dimension']} dimensions, for "
        f"{theory['n']} samples x_t. No network is trained."
    )


def _derivative(results: Results) -> list[str]:
    return [
        _theory_data(results),
        "In continuous time. Left: the schedules as they are; right: modified so that dα/dt = 0 at t = 0. A line of "
        "slope −1/2 is what the paper's theory says of any schedule with dα/dt not 0.",
    ]


def _sharing(results: Results) -> list[str]:
    return [
        _theory_data(results),
        "Largest ‖eps*(x, f(t)) − eps*(x, t)‖ over t below t̃ and over samples, and the paper's bound "
        "σ_t̃ K(x) t̃/n + B(x) Δσ with K and B measured; against the number n of sub-intervals.",
    ]


def _samples(results: Results) -> list[str]:
    return [
        f"The first images of seed {results.seeds[0]}, not selected: each starts from the same noise for "
        "every method and solver. Each solver is shown at its largest budget; pixels are enlarged, not "
        "smoothed. First, real images. At most 14 rows are shown.",
    ]


def _losses(results: Results) -> list[str]:
    training = results.config["training"]
    return [
        f"Mean squared error over {training['images']:,} images seen, batch {training['batch']}, learning rate "
        f"{training['learning_rate']:g}; averaged over at most 60 stretches. Of each method the first settings, "
        "on at most six data sets; losses.csv holds all curves. "
        f"Line: mean over {seed_words(results)}; band: lowest to highest seed.",
    ]


BESIDE = "Diamonds: the published change."
PLATES: dict[str, tuple[str, str, Callable[[Results], list[str]]]] = {
    "lipschitz": ("Time-Lipschitz constants", "K against timestep for each method, measured and published", _lipschitz),
    "datasets": ("Distance by method", "Bars of the distance for each data set and method", _datasets),
    "fast-sampling": (
        "Distance against NFE",
        "Distance against the number of network evaluations for each solver and method",
        _fast_sampling,
    ),
    "fast-sampling-changes": (
        "Change by solver",
        "Distance and its change against ddpm for each solver and budget",
        _paired("fast-sampling", "Rows: solver and budget.", BESIDE),
    ),
    "schedules": (
        "Schedules",
        "Distance and its change against ddpm for each schedule and time",
        _paired("schedules", "Rows: schedule and time.", f"{BESIDE[:-1]}, of FFHQ."),
    ),
    "predictions": (
        "Predictions",
        "Distance and its change against ddpm by what the network predicts",
        _paired("predictions", "Rows: what the network predicts.", "The paper has no such experiment."),
    ),
    "alternatives": (
        "Alternatives",
        "Distance and its change against ddpm for each method",
        _paired("alternatives", "Rows: methods.", f"{BESIDE[:-1]}, of FFHQ where the paper lacks the data set."),
    ),
    "ablation": ("t̃ and n", "Heat map of the change against ddpm by t̃ and n", _ablation),
    "stability": ("Stability", "Change of x_0 against the noise added to x_t, measured and published", _stability),
    "super-resolution": (
        "Restored images",
        "The same images in low resolution, restored by each method, and the truth",
        _super_resolution,
    ),
    "solver-error": ("Solver error", "Distance to the exact solution against NFE for each solver", _solver_error),
    "resolution": ("Size of the images", "Change of the distance, and K, against the number of pixels", _resolution),
    "progress": ("Progress of training", "Distance, and K, against the images seen in training", _progress),
    "theory-derivative": ("Derivative near t = 0", "Norm of the time derivative of eps* against t", _derivative),
    "theory-sharing": ("Error of sharing", "Error and bound against the number of sub-intervals", _sharing),
    "samples": ("Samples", "Generated images of each method side by side", _samples),
    "losses": ("Training loss", "Training loss against images seen for each method", _losses),
}
"""Title, what it shows and caption of each figure."""


def plates(results: Results, folder: Path) -> dict[str, Plate]:
    """The figures of the report, by name.

    Args:
        results: the measurements.
        folder: folder of the figures.
    """
    made = {}
    for name in figure_names(results.inventory):
        title, alt, caption = PLATES[name]
        alt = f"{alt}; the numbers are in the tables."
        made[name] = Plate(name, title, _data_uri(folder, name), alt, caption(results))
    return made
