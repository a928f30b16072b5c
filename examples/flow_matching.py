"""E-TSDM where time 0 is noise and time 1 is data: torchcfm's `net(t, x)`, on scikit-learn's digits.

python examples/flow_matching.py --steps 1000
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import etsdm


class Velocity(nn.Module):
    """The velocity of images of 64 pixels, called as torchcfm and torchdyn call a network: time first."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.time = nn.Linear(32, width)
        self.first = nn.Linear(64, width)
        self.rest = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 64))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        angles = 1000 * t.expand(len(x))[:, None] * torch.logspace(0, -4, 16)
        return self.rest(self.first(x) + self.time(torch.cat([angles.sin(), angles.cos()], 1)))


def train(net: nn.Module, steps: int) -> None:
    """The loss of torchcfm's ConditionalFlowMatcher with sigma = 0."""
    images = torch.tensor(load_digits().data, dtype=torch.float32) / 8 - 1
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for step in range(steps):
        x1 = images[torch.randint(len(images), (128,))]
        x0, t = torch.randn_like(x1), torch.rand(len(x1))
        xt = (1 - t)[:, None] * x0 + t[:, None] * x1
        loss = (net(t, xt) - (x1 - x0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 500 == 0:
            print(f"step {step}: loss {loss.item():.3f}")


@torch.no_grad()
def sample(net: nn.Module, count: int, steps: int) -> Tensor:
    """Images (count, 64) by Euler's method from time 0 to 1."""
    x = torch.randn(count, 64)
    for t in torch.linspace(0, 1, steps + 1)[:-1]:
        x = x + net(t, x) / steps
    return x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000, help="of training")
    options = parser.parse_args()
    torch.manual_seed(0)
    net = Velocity()
    handle = etsdm.share(net, t_tilde=100, n=5, scale=1000, toward="noise")  # <- E-TSDM
    print(handle)
    train(net, options.steps)
    made = sample(net, 16, 100)
    print(f"{len(made)} images with values from {made.min():.2f} to {made.max():.2f}")


if __name__ == "__main__":
    main()
