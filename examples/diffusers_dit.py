"""E-TSDM in a transformer that takes its time by name: diffusers' DiT, with classes, on scikit-learn's digits.

python examples/diffusers_dit.py --steps 300
"""

import argparse

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DiTTransformer2DModel
from sklearn.datasets import load_digits
from torch.nn import functional

import etsdm


def make_transformer() -> DiTTransformer2DModel:
    """A small DiT for 8x8 grey images of ten classes, shared."""
    transformer = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=1,
        out_channels=1,
        num_layers=2,
        sample_size=8,
        patch_size=2,
        num_embeds_ada_norm=10,
    )
    etsdm.share(transformer, t_tilde=100, n=5)  # <- E-TSDM
    return transformer


def train(transformer: DiTTransformer2DModel, scheduler: DDPMScheduler, steps: int) -> None:
    images, labels = (torch.tensor(part) for part in load_digits(return_X_y=True))
    images = images.float().view(-1, 1, 8, 8) / 8 - 1
    optimizer = torch.optim.AdamW(transformer.parameters(), lr=1e-3)
    for step in range(steps):
        chosen = torch.randint(len(images), (64,))
        noise = torch.randn(64, 1, 8, 8)
        t = torch.randint(scheduler.config.num_train_timesteps, (64,))
        noisy = scheduler.add_noise(images[chosen], noise, t)
        loss = functional.mse_loss(transformer(noisy, timestep=t, class_labels=labels[chosen]).sample, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}")


@torch.no_grad()
def sample(transformer: DiTTransformer2DModel, scheduler: DDIMScheduler, labels: torch.Tensor) -> torch.Tensor:
    """One image per label, (N, 1, 8, 8)."""
    x = torch.randn(len(labels), 1, 8, 8)
    for t in scheduler.timesteps:
        eps = transformer(x, timestep=t.expand(len(labels)), class_labels=labels).sample
        x = scheduler.step(eps, t, x).prev_sample
    return x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="of training")
    options = parser.parse_args()
    torch.manual_seed(0)
    transformer, scheduler = make_transformer(), DDPMScheduler(1000)
    train(transformer, scheduler, options.steps)
    ddim = DDIMScheduler.from_config(scheduler.config)
    ddim.set_timesteps(30)
    made = sample(transformer.eval(), ddim, torch.arange(10))
    print(etsdm.step_conditions(ddim, t_tilde=100, n=5))
    print(f"{len(made)} images with values from {made.min():.2f} to {made.max():.2f}")


if __name__ == "__main__":
    main()
