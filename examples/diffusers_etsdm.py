"""E-TSDM with diffusers: its own network, training loop and samplers, on scikit-learn's digits.

    python examples/diffusers_etsdm.py --steps 300

A minute on two CPU cores, most of it for the import of diffusers and the training.
"""

import argparse

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from sklearn.datasets import load_digits
from torch.nn import functional

from etsdm import ETSDM


def make_model(width: int) -> ETSDM:
    """diffusers' U-Net for 8x8 grey images, in E-TSDM's wrapper: the only line that differs from plain DDPM."""
    network = UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(width, 2 * width),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        attention_head_dim=width,
    )
    return ETSDM(network, t_tilde=100, n=5)


def digits() -> torch.Tensor:
    """1,797 digits in [-1, 1], (N, 1, 8, 8)."""
    return torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 8 - 1


def train(model: ETSDM, scheduler: DDPMScheduler, images: torch.Tensor, steps: int) -> None:
    """The loop of diffusers' own tutorial: the noise follows the true t, the model shares it inside."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(steps):
        x0 = images[torch.randint(len(images), (64,))]
        noise = torch.randn_like(x0)
        t = torch.randint(scheduler.config.num_train_timesteps, (len(x0),))
        loss = functional.mse_loss(model(scheduler.add_noise(x0, noise, t), t).sample, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}")


@torch.no_grad()
def sample(model: ETSDM, scheduler: DDPMScheduler, count: int, steps: int) -> torch.Tensor:
    """Images (count, 1, 8, 8) by DDIM."""
    ddim = DDIMScheduler.from_config(scheduler.config)
    ddim.set_timesteps(steps)
    x = torch.randn(count, 1, 8, 8)
    for t in ddim.timesteps:
        x = ddim.step(model(x, t).sample, t, x).prev_sample
    return x.clamp(-1, 1)


@torch.no_grad()
def lipschitz(model: ETSDM, scheduler: DDPMScheduler, x0: torch.Tensor, t_prime: int, t: int) -> float:
    """K(t', t) = E |eps(x_t, t) - eps(x_t, t')| / (t - t'), both predictions at the same x_t."""
    times = torch.full((len(x0),), t)
    x_t = scheduler.add_noise(x0, torch.randn_like(x0), times)
    difference = model(x_t, times).sample - model(x_t, torch.full_like(times, t_prime)).sample
    return difference.flatten(1).norm(dim=1).mean().item() / (t - t_prime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="of training")
    parser.add_argument("--width", type=int, default=32, help="channels of the network's first level")
    parser.add_argument("--nfe", type=int, default=20, help="evaluations of the network to sample with")
    options = parser.parse_args()
    torch.manual_seed(0)
    model, scheduler, images = make_model(options.width), DDPMScheduler(1000), digits()
    train(model, scheduler, images, options.steps)
    model.eval()
    made = sample(model, scheduler, 2, options.nfe)
    for row in torch.cat(list(made[:, 0]), dim=1):
        print("".join(" .:-=+*#%@"[int((value + 1) * 4.99)] * 2 for value in row))
    x0 = images[:256]
    print(f"K(85, 95), inside the sub-interval [80, 100): {lipschitz(model, scheduler, x0, 85, 95):.4f}")
    print(f"K(75, 85), across its left end:               {lipschitz(model, scheduler, x0, 75, 85):.4f}")
    print(f"K(110, 120), above t_tilde = 100:             {lipschitz(model, scheduler, x0, 110, 120):.4f}")


if __name__ == "__main__":
    main()
