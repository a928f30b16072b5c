"""From stored features to distances. Kept free of torch: scoring runs as many short processes."""

from pathlib import Path
from typing import Any

from etsdm.errors import UserError
from etsdm.files import sha256, write_json
from etsdm.metrics import distances
from etsdm.metrics.names import FEATURES, metric_name
from etsdm.metrics.store import load_features

DISTANCES = {"frechet": distances.frechet, "kernel": distances.kernel}


def score(
    samples: Path, reference: Path, names: list[str], encoder: str, count: int | None, out: Path
) -> dict[str, Any]:
    """Distances between two feature files, written to `out`.

    Args:
        samples: features of the generated images.
        reference: features of the data set.
        names: distances to compute, keys of `DISTANCES`.
        encoder: `inception` or `classifier`.
        count: images the sample set must have; None: as many as it has.
        out: `scores.json`.

    Returns:
        {"encoder", "n", "reference": {"count", "digest"}, "samples_digest", "values": {metric: distance}}.

    Raises:
        UserError: the features are not the encoder's, the sample set has another count, or there are too few images for
            a covariance.
    """
    generated, real = load_features(samples), load_features(reference)
    count = len(generated.features) if count is None else count
    if len(generated.features) != count:
        raise UserError(f"{samples}: holds {len(generated.features)} images, but the metric is defined for {count}")
    least = FEATURES[encoder] + 1 if "frechet" in names else 2
    for path, features in ((samples, generated.features), (reference, real.features)):
        if features.shape[1] != FEATURES[encoder]:
            raise UserError(
                f"{path}: {features.shape[1]} features an image, where the encoder '{encoder}' gives "
                f"{FEATURES[encoder]}; extract them by that encoder, or name theirs"
            )
        if len(features) < least:
            raise UserError(f"{path}: {len(features)} images are too few; the distances {names} need {least}")
    values = {
        metric_name(name, encoder, count): float(DISTANCES[name](generated.features, real.features)) for name in names
    }
    scores = {
        "encoder": encoder,
        "n": count,
        "reference": {"count": len(real.features), "digest": real.digest},
        "samples_digest": generated.digest,
        "features": {"samples": sha256(samples), "reference": sha256(reference)},
        "values": values,
    }
    write_json(out, scores)
    return scores
