"""From stored features to distances. Kept free of torch: scoring runs as many short processes."""

from pathlib import Path
from typing import Any

from etsdm.errors import UserError
from etsdm.metrics import distances
from etsdm.metrics.names import FEATURES, metric_name
from etsdm.metrics.reference import load_summary, save_summary
from etsdm.metrics.store import Features, load_features
from etsdm.runtime.files import sha256, write_json

DISTANCES = {"frechet": distances.frechet, "kernel": distances.kernel}


def summarise(features: Path, names: list[str], encoder: str, out: Path) -> dict[str, Any]:
    """Write what the distances to a reference need of it besides its features: the summary, once for all sample sets.

    Args:
        features: those of the data set.
        names: distances to be computed, keys of `DISTANCES`.
        encoder: `inception` or `classifier`.
        out: `reference.npz`.

    Returns:
        {"count"}.

    Raises:
        UserError: the features are not the encoder's, not finite, or fewer than two.
    """
    real = load_features(features)
    _check(features, real, encoder, 2)
    save_summary(out, distances.summarise(real.features, "kernel" in names), features)
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
        names: distances to compute, keys of `DISTANCES`.
        encoder: `inception` or `classifier`.
        count: images the sample set must have; None: as many as it has.
        out: `scores.json`.
        bootstrap: replicates of the bootstrap over images (see `distances.bootstrap`); 0: none.

    Returns:
        {"encoder", "n", "reference": {"count", "digest"}, "samples_digest", "values": {metric: distance}} and, where
        there are replicates, "bootstrap": {metric: their distances}, of the Frechet distance alone.

    Raises:
        UserError: the features are not the encoder's or not finite, the sample set has another count, there are too
            few images for a covariance, or the summary is of other features.
    """
    generated, real = load_features(samples), load_features(reference)
    count = len(generated.features) if count is None else count
    if len(generated.features) != count:
        raise UserError(f"{samples}: holds {len(generated.features)} images, but the metric is defined for {count}")
    for path, features in ((samples, generated), (reference, real)):
        _check(path, features, encoder, FEATURES[encoder] + 1 if "frechet" in names else 2)
    digests = {"samples": sha256(samples), "reference": sha256(reference)}
    known = (
        load_summary(summary, digests["reference"])
        if summary
        else distances.summarise(real.features, "kernel" in names)
    )
    values = {
        metric_name(name, encoder, count): DISTANCES[name](generated.features, real.features, known) for name in names
    }
    scores = {
        "encoder": encoder,
        "n": count,
        "reference": {"count": len(real.features), "digest": real.digest},
        "samples_digest": generated.digest,
        "features": digests,
        "values": values,
    }
    if bootstrap and "frechet" in names:
        replicates = distances.bootstrap(generated.features, known, bootstrap)
        scores["bootstrap"] = {metric_name("frechet", encoder, count): replicates}
    write_json(out, scores)
    return scores


def _check(path: Path, features: Features, encoder: str, least: int) -> None:
    count, length = features.features.shape
    if length != FEATURES[encoder]:
        raise UserError(
            f"{path}: {length} features an image, where the encoder '{encoder}' gives "
            f"{FEATURES[encoder]}; extract them by that encoder, or name theirs"
        )
    if count < least:
        raise UserError(f"{path}: {count} images are too few; these distances need {least}")
