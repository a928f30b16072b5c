"""E-TSDM in other people's networks. It needs torch alone; docs/library.md shows how to use it."""

from etsdm.library.share import Sharing, share, sharing_of
from etsdm.library.steps import step_conditions
from etsdm.library.times import share_timesteps

__all__ = ["Sharing", "share", "share_timesteps", "sharing_of", "step_conditions"]
