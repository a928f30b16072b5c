"""A copy of a network whose large weights are in bfloat16, so that autocast has none to cast.

Autocast casts each weight of a layer, and each gradient back, in a kernel of its own: hundreds a step. Here two kernels
cast all of them. The numbers are those of autocast.
"""

import copy

import torch
from torch import Tensor, nn

from etsdm.models.unet import ResidualBlock, UNet


class Bfloat16Copy:
    """The same layers; those weights that autocast would cast are copies, all others are the network's own.

    Args:
        network: in float32.

    Attributes:
        network: the copy. It has its gradients until `collect`.
    """

    def __init__(self, network: UNet) -> None:
        self.network = copy.deepcopy(network)
        self._weights: list[Tensor] = []
        self._copies: list[Tensor] = []
        cast = autocast_parameters(network)
        modules = dict(self.network.named_modules())
        for name, parameter in network.named_parameters():
            module, _, attribute = name.rpartition(".")
            kept = parameter
            if name in cast:
                kept = nn.Parameter(parameter.detach().to(torch.bfloat16))
                self._weights.append(parameter)
                self._copies.append(kept)
            setattr(modules[module], attribute, kept)
        self._gradients: list[Tensor] = [torch.empty_like(weight) for weight in self._weights]

    @torch.no_grad()
    def update(self) -> None:
        """Take over the network's weights."""
        torch._foreach_copy_(self._copies, self._weights)

    @torch.no_grad()
    def collect(self) -> None:
        """Hand the gradients to the network, in float32. They overwrite what it had of an earlier pass."""
        given = [parameter.grad for parameter in self._copies if parameter.grad is not None]
        torch._foreach_copy_(self._gradients, given)
        for weight, parameter, gradient in zip(self._weights, self._copies, self._gradients, strict=True):
            weight.grad, parameter.grad = gradient, None


def autocast_parameters(network: UNet) -> set[str]:
    """Names of the parameters that autocast casts: those of convolutions and linear layers that run in its type."""
    late = {
        id(bias) for module in network.modules() if isinstance(module, ResidualBlock) for bias in module.late_biases()
    }
    float32 = {id(parameter) for part in (network.time_embed, network.out) for parameter in part.parameters()}
    layers = [module for module in network.modules() if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear))]
    cast = {id(parameter) for layer in layers for parameter in layer.parameters()} - late - float32
    return {name for name, parameter in network.named_parameters() if id(parameter) in cast}
