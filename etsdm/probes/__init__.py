"""Probes: measurements on trained networks, one file each with its settings.

Each file has a class of settings, derived from `Probe`, and a function `probe(weights, images, spec, device="auto",
progress=True)`. It measures the network in `weights` on the clean images of an archive, and gives a result that can be
written as JSON. `theory` needs no network and stands apart. Nothing here imports torch when it is loaded: a plan reads
the settings.
"""

from typing import Annotated

from etsdm.config.registry import OneOf, Registry
from etsdm.probes.probe import Probe

PROBES = Registry("etsdm.probes", "probe", Probe, "probe")
OneProbe = Annotated[Probe, OneOf(PROBES)]

__all__ = ["PROBES", "OneProbe", "Probe"]
