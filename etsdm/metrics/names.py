"""Names of the metrics: they state the protocol, so that unlike numbers can't be mistaken for one another."""

from etsdm.config.strict import allowed_instead
from etsdm.errors import UserError
from etsdm.metrics.distances import DISTANCES, Distance
from etsdm.metrics.encoders import ENCODERS, Encoder


def metric_name(distance: str, encoder: str, n: int) -> str:
    """Name of a distance, such as `fid-clean-inception-10k` or `fd-classifier-1k`, for `n` generated images.

    Raises:
        UserError: an unknown distance or encoder.
    """
    count = f"{n // 1000}k" if n % 1000 == 0 else str(n)
    return f"{prefix(DISTANCES[distance], ENCODERS[encoder], encoder)}-{count}"


def prefix(distance: type[Distance], encoder: type[Encoder], name: str) -> str:
    """The name of a metric without its count: the one that the encoder states, or distance and encoder.

    Args:
        distance: the distance.
        encoder: the settings of the encoder.
        name: of the encoder.
    """
    return encoder.prefixes.get(distance.name, f"{distance.short}-{name}")


def distance_of(metric: str) -> type[Distance]:
    """The distance that a metric's name tells. Raises UserError for a name that is no distance's."""
    return _behind(metric)[0]


def description(metric: str) -> str:
    """What a distance between features is, in a sentence or two. Raises UserError for another metric's name."""
    distance, encoder, name = _behind(metric)
    usual = f"{distance.about}, in" if distance.about else f"{distance.title[0].upper()}{distance.title[1:]} between"
    return encoder.about.get(distance.name, f"{usual} features of the encoder {name}.")


def _behind(metric: str) -> tuple[type[Distance], type[Encoder], str]:
    beginning, known = metric.rpartition("-")[0], _prefixes()
    if beginning not in known:
        raise UserError(f"unknown metric {metric!r}; {allowed_instead(beginning, [*known])}, each with a count")
    return known[beginning]


def _prefixes() -> dict[str, tuple[type[Distance], type[Encoder], str]]:
    return {
        prefix(distance, encoder, name): (distance, encoder, name)
        for name, encoder in ENCODERS.all().items()
        for distance in DISTANCES.all().values()
    }
