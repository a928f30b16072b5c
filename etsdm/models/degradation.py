"""What a restoring model is given instead of the true image."""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def low_resolution(x0: Tensor, factor: int) -> Tensor:
    """The image at 1/factor of its size, brought back to its size: the condition of super-resolution.

    Down by the mean over blocks of `factor` pixels squared, which lets nothing alias; up bicubically, as in SR3
    (Saharia et al. 2021, section 2.4), with PyTorch's cubic (a = -0.75). That overshoots at edges and the result is
    not clamped, so it can leave [-1, 1] a little.

    Args:
        x0: images in [-1, 1], (B, C, H, W).
        factor: a divisor of H and W.

    Returns:
        Blurred images like `x0`.

    Raises:
        ValueError: `factor` does not divide the size.
    """
    height, width = x0.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(f"images of {height}x{width} pixels cannot be reduced by {factor}; it must divide both")
    return F.interpolate(F.avg_pool2d(x0, factor), size=(height, width), mode="bicubic", align_corners=False)
