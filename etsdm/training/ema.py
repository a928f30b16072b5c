"""Exponential moving average of the weights."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class AveragedWeights:
    """The average of a network's weights whose memory halves every `half_life` images.

    After each step on a batch, average <- decay * average + (1 - decay) * weights with
    decay = 0.5 ** (batch / half_life): EDM's (Karras et al. 2022) without its ramp-up. The average starts at
    the initial weights, whose share after n images is 0.5 ** (n / half_life).
    """

    def __init__(self, network: nn.Module, batch: int, half_life: int) -> None:
        self.weights = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
        self._source = list(network.state_dict().values())
        self._update = get_ema_multi_avg_fn(0.5 ** (batch / half_life))

    def update(self) -> None:
        """Take in the network's weights after a step."""
        self._update(list(self.weights.values()), self._source, None)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from a saved average."""
        for name, weight in self.weights.items():
            weight.copy_(weights[name])
