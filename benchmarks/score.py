"""Scores from stored features: what belongs to the reference, made once, and what each sample set takes."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from benchmarks.timing import in_turn, repetitions, show, spread
from etsdm.metrics.distances import DISTANCES
from etsdm.metrics.moments import BLOCK
from etsdm.metrics.reference import load_summary, save_summary
from etsdm.metrics.score import summary_of
from etsdm.metrics.store import load_features, save_features
from etsdm.runtime.files import sha256

USUAL = [name for name, distance in DISTANCES.all().items() if distance.usual]


def correlated(count: int, length: int, seed: int) -> np.ndarray:
    """Features (count, length) that are positive and correlated, as Inception's are, in float32."""
    mixing = np.random.default_rng(0).standard_normal((length, length), np.float32)
    mixing *= np.exp(-np.arange(length, dtype=np.float32) / 300) / 20
    rng = np.random.default_rng(seed)
    drawn = (rng.standard_normal((min(BLOCK, count - i), length), np.float32) for i in range(0, count, BLOCK))
    return np.concatenate([np.maximum(0.3 + part @ mixing.T, 0) for part in drawn])


@click.command(help=__doc__)
@repetitions(3)
@click.option("--images", default=2_500, show_default=True, help="Generated images.")
@click.option("--references", default=50_000, show_default=True, help="Images of the data set.")
@click.option("--length", default=2_048, show_default=True, help="Of a feature vector.")
@click.option("--distance", multiple=True, default=USUAL, show_default=True, help="Each of them.")
@click.option("--replicates", default=10, show_default=True, help="Of the bootstrap.")
def main(repeats: int, images: int, references: int, length: int, distance: tuple[str, ...], replicates: int) -> None:
    with TemporaryDirectory() as temporary:
        samples, reference, summary = (Path(temporary, f"{name}.npz") for name in ("samples", "reference", "summary"))
        save_features(samples, correlated(images, length, 1), "samples")
        save_features(reference, correlated(references, length, 2), "reference")

        def prepare() -> None:
            save_summary(summary, summary_of(load_features(reference).features, [*distance]), reference)

        def score(replicates: int = 0) -> None:
            generated, real = load_features(samples).features, load_features(reference).features
            known = load_summary(summary, sha256(reference))
            for name in distance:
                DISTANCES[name].between(generated, real, known)
                DISTANCES[name].bootstrap(generated, real, known, replicates)

        seconds = in_turn({"the reference's own part, once": prepare}, 1, warm_up=False)
        works = {
            f"a set of {images:,} against {references:,}": score,
            f"the same with {replicates} replicates": lambda: score(replicates),
        }
        seconds |= in_turn(works, repeats, warm_up=False)
    show([{f"scores: {', '.join(distance)}": name, "s": spread(values)} for name, values in seconds.items()])


if __name__ == "__main__":
    main()
