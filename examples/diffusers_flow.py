"""E-TSDM in a flow model that is told t / 1000: diffusers' Flux transformer, on scikit-learn's digits.

    python examples/diffusers_flow.py --steps 300

Time 1 is noise and time 0 is data, as in all flow models of diffusers but Lumina 2 and Z-Image, which turn it round.
"""

import argparse

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

import etsdm


def make_transformer() -> FluxTransformer2DModel:
    """A small Flux for 16 tokens of 2x2 pixels, shared; the digit's name stands for the text."""
    transformer = FluxTransformer2DModel(
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=10,
        pooled_projection_dim=10,
        axes_dims_rope=(4, 6, 6),
    )
    etsdm.share(transformer, t_tilde=100, n=5, scale=1000)  # <- E-TSDM
    return transformer


def velocity(transformer: FluxTransformer2DModel, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
    """The call of FluxPipeline: `x` of shape (B, 16, 4), `t` in timesteps, (B,)."""
    text = functional.one_hot(labels, 10).float()
    places = torch.cartesian_prod(torch.zeros(1), torch.arange(4.0), torch.arange(4.0))
    return transformer(
        hidden_states=x,
        timestep=t / 1000,
        pooled_projections=text,
        encoder_hidden_states=text[:, None],
        txt_ids=torch.zeros(1, 3),
        img_ids=places,
        return_dict=False,
    )[0]


def train(transformer: FluxTransformer2DModel, steps: int) -> None:
    images, labels = (torch.tensor(part) for part in load_digits(return_X_y=True))
    tokens = functional.unfold(images.float().view(-1, 1, 8, 8) / 8 - 1, 2, stride=2).transpose(1, 2)
    optimizer = torch.optim.AdamW(transformer.parameters(), lr=1e-3)
    for step in range(steps):
        chosen = torch.randint(len(tokens), (64,))
        x0, noise, sigma = tokens[chosen], torch.randn(64, 16, 4), torch.rand(64)
        x = (1 - sigma)[:, None, None] * x0 + sigma[:, None, None] * noise
        predicted = velocity(transformer, x, 1000 * sigma, labels[chosen])
        loss = functional.mse_loss(predicted, noise - x0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}")


@torch.no_grad()
def sample(transformer: FluxTransformer2DModel, scheduler: FlowMatchEulerDiscreteScheduler, labels: Tensor) -> Tensor:
    """One image per label, (N, 1, 8, 8)."""
    x = torch.randn(len(labels), 16, 4)
    for t in scheduler.timesteps:
        x = scheduler.step(velocity(transformer, x, t.expand(len(x)), labels), t, x).prev_sample
    return functional.fold(x.transpose(1, 2), 8, 2, stride=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="of training")
    options = parser.parse_args()
    torch.manual_seed(0)
    transformer, scheduler = make_transformer(), FlowMatchEulerDiscreteScheduler()
    train(transformer, options.steps)
    scheduler.set_timesteps(30)
    made = sample(transformer.eval(), scheduler, torch.arange(10))
    print(etsdm.step_conditions(scheduler, t_tilde=100, n=5))
    print(f"{len(made)} images with values from {made.min():.2f} to {made.max():.2f}")


if __name__ == "__main__":
    main()
