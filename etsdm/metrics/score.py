"""From stored features to distances. Kept free of torch: scoring runs as many short processes."""

from pathlib import Path
from typing import Any

from etsdm.errors import UserError
from etsdm.metrics.distances import DISTANCES
from etsdm.metrics.encoders import ENCODERS
from etsdm.metrics.evaluation import fewest_images
from etsdm.metrics.moments import Array
from etsdm.metrics.names import metric_name
from etsdm.metrics.reference import load_summary, save_summary
from etsdm.metrics.store import Features, load_features
from etsdm.runtime.files import sha256, write_json


def modules(encoder: str, names: list[str]) -> list[str]:
    """The modules that scoring loads by name: those of the distances, and of the encoder that the metric is named by.

    Raises:
        UserError: an unknown distance or encoder.
    """
    return [*map(DISTANCES.module, names), ENCODERS.module(encoder)]


def summary_of(features: Array, names: list[str]) -> dict[str, Array]:
    """What distances need to know of a reference (M, d) besides its features.

    Raises:
        UserError: an unknown distance.
        ValueError: two distances use one name for what they need.
    """
    summary: dict[str, Array] = {}
    for summarise_one, name in {DISTANCES[name].summarise: name for name in names}.items():
        needed = summarise_one(features)
        if shared := summary.keys() & needed.keys():
            raise ValueError(f"{name}: another distance keeps {', '.join(sorted(shared))} of a reference already")
        summary |= needed
    return summary


def summarise(features: Path, names: list[str], encoder: str, out: Path) -> dict[str, Any]:
    """Write what the distances to a reference need of it besides its features: the summary, once for all sample sets.

    Args:
        features: those of the data set.
        names: distances to be computed.
        encoder: name of the encoder.
        out: `reference.npz`.

    Returns:
        {"count"}.

    Raises:
        UserError: the features are not the encoder's, not finite, or fewer than two; or a name is unknown.
    """
    real = load_features(features)
    _check(features, real, encoder, 2)
    save_summary(out, summary_of(real.features, names), features)
    return {"count": len(real.features)}


def score(
    samples: Path,
    reference: Path,
    summary: Path | None,
    names: list[str],
    encoder: str,
    count: int | None,
    out: Path,
    bootstrap: int = 0,
) -> dict[str, Any]:
    """Distances between two feature files, written to `out`.

    Args:
        samples: features of the generated images.
        reference: features of the data set.
        summary: what `summarise` made of them; None: it is computed here, which takes longer than all the rest.
        names: distances to compute.
        encoder: name of the encoder.
        count: images the sample set must have; None: as many as it has.
        out: `scores.json`.
        bootstrap: replicates of the bootstrap over images (see `Frechet.bootstrap`); 0: none.

    Returns:
        {"encoder", "n", "reference": {"count", "digest"}, "samples_digest", "values": {metric: distance}} and, where
        there are replicates, "bootstrap": {metric: their distances}, of each distance that is bootstrapped.

    Raises:
        UserError: the features are not the encoder's or not finite, the sample set has another count, there are too
            few images for a distance, the summary is of other features or distances, or a name is unknown.
    """
    generated, real = load_features(samples), load_features(reference)
    count = len(generated.features) if count is None else count
    if len(generated.features) != count:
        raise UserError(f"{samples}: holds {len(generated.features)} images, but the metric is defined for {count}")
    for path, features in ((samples, generated), (reference, real)):
        _check(path, features, encoder, fewest_images(encoder, names))
    digests = {"samples": sha256(samples), "reference": sha256(reference)}
    known = load_summary(summary, digests["reference"]) if summary else summary_of(real.features, names)
    metrics = {metric_name(name, encoder, count): DISTANCES[name] for name in names}
    sets = generated.features, real.features, known
    scores = {
        "encoder": encoder,
        "n": count,
        "reference": {"count": len(real.features), "digest": real.digest},
        "samples_digest": generated.digest,
        "features": digests,
        "values": {metric: distance.between(*sets) for metric, distance in metrics.items()},
    }
    if bootstrap:
        replicates = {metric: distance.bootstrap(*sets, bootstrap) for metric, distance in metrics.items()}
        if defined := {metric: values for metric, values in replicates.items() if values is not None}:
            scores["bootstrap"] = defined
    write_json(out, scores)
    return scores


def _check(path: Path, features: Features, encoder: str, least: int) -> None:
    count, length = features.features.shape
    expected = ENCODERS[encoder].length
    if length != expected:
        raise UserError(
            f"{path}: {length} features an image, where the encoder '{encoder}' gives "
            f"{expected}; extract them by that encoder, or name theirs"
        )
    if count < least:
        raise UserError(f"{path}: {count} images are too few; these distances need {least}")
