"""What stays on disk, as a configuration states it."""

from typing import Literal

from etsdm.config.strict import Strict


class Keep(Strict):
    """What stays on disk when it has been used; it changes no result."""

    samples: Literal["all", "shown"] = "all"
    """Archives of generated images: all, or only the first images of those in figures, once features are there."""
    maps: bool = True
    """Images as trainings read them, decoded: kept, or removed when a workflow has ended well."""
    logs: bool = True
    """Logs of sampling, restoring and scoring: kept, or removed when the scores are there and the workflow ends."""
