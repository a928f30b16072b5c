"""What is measured of trained networks."""

from dataclasses import dataclass
from typing import Any

from etsdm.solvers import Solvers


@dataclass(frozen=True)
class Distances:
    """A sample set by each solver at each budget, scored by the distances of `evaluation`."""

    solvers: Solvers


@dataclass(frozen=True)
class Restorations:
    """Restored images by each solver at each budget, compared with the true ones.

    Attributes:
        test: name of the data set that is restored.
        solvers: the solvers.
    """

    test: str
    solvers: Solvers


@dataclass(frozen=True)
class Probed:
    """What a probe finds.

    Attributes:
        probe: its name.
        settings: its settings.
    """

    probe: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Exact:
    """What is known exactly, of no trained network.

    Attributes:
        settings: those of `etsdm.probes.theory`, but for T.
    """

    settings: dict[str, Any]


Measure = Distances | Restorations | Probed | Exact
