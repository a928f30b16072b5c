"""E-TSDM under k-diffusion's denoisers, which ask at noise levels between the timesteps, on scikit-learn's digits.

    python examples/k_diffusion.py --steps 1000

`Denoiser` calls its network as k_diffusion.external.DiscreteEpsDDPMDenoiser does, which can stand in its place.
"""

import argparse
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import etsdm

ALPHA_BAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)


class Network(nn.Module):
    """Predicts the noise in images of 64 pixels (B, 64) at timesteps (B,)."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.time = nn.Linear(32, width)
        self.first = nn.Linear(64, width)
        self.rest = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 64))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        angles = t.float()[:, None] * torch.logspace(0, -4, 16)
        return x + self.rest(self.first(x) + self.time(torch.cat([angles.sin(), angles.cos()], 1)))


class Denoiser(nn.Module):
    """Images (B, 64) from images with noise of levels sigma, (B,)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner_model = model
        self.log_sigmas = ((1 - ALPHA_BAR) / ALPHA_BAR).sqrt().log()

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        """The timesteps that belong to noise levels, not rounded."""
        below = (torch.searchsorted(self.log_sigmas, sigma.log()) - 1).clamp(0, 998)
        low, high = self.log_sigmas[below], self.log_sigmas[below + 1]
        return below + ((sigma.log() - low) / (high - low)).clamp(0, 1)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        eps = self.inner_model(x / (sigma[:, None] ** 2 + 1).sqrt(), self.sigma_to_t(sigma))
        return x - sigma[:, None] * eps


def train(denoiser: Denoiser, steps: int) -> None:
    images = torch.tensor(load_digits().data, dtype=torch.float32) / 8 - 1
    optimizer = torch.optim.AdamW(denoiser.parameters(), lr=1e-3)
    for step in range(steps):
        x0 = images[torch.randint(len(images), (128,))]
        sigma = denoiser.log_sigmas[torch.randint(1000, (128,))].exp()
        noise = torch.randn_like(x0)
        eps = (x0 + sigma[:, None] * noise - denoiser(x0 + sigma[:, None] * noise, sigma)) / sigma[:, None]
        loss = (eps - noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 500 == 0:
            print(f"step {step}: loss {loss.item():.3f}")


@torch.no_grad()
def sample_euler(denoiser: Denoiser, count: int, steps: int) -> Tensor:
    """Images (count, 64) by Euler's method over the noise levels of Karras et al. (2022)."""
    first, last = (denoiser.log_sigmas[i].exp() ** (1 / 7) for i in (-1, 0))
    sigmas = torch.cat([torch.linspace(first, last, steps) ** 7, torch.zeros(1)])
    x = torch.randn(count, 64) * sigmas[0]
    for sigma, following in pairwise(sigmas.tolist()):
        x = x + (following - sigma) * (x - denoiser(x, torch.full((count,), sigma))) / sigma
    return x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000, help="of training")
    options = parser.parse_args()
    torch.manual_seed(0)
    network = Network()
    etsdm.share(network, t_tilde=100, n=5)  # <- E-TSDM
    denoiser = Denoiser(network)
    train(denoiser, options.steps)
    made = sample_euler(denoiser, 16, 40)
    print(f"{len(made)} images with values from {made.min():.2f} to {made.max():.2f}")


if __name__ == "__main__":
    main()
