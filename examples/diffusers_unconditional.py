"""E-TSDM in diffusers' unconditional training, as its script train_unconditional.py has it, on scikit-learn's digits.

    python examples/diffusers_unconditional.py --steps 300 --out digits

A minute on two CPU cores, most of it for the import of diffusers and the training. The two lines with `share` are
E-TSDM's; all others are those of plain DDPM.
"""

import argparse

import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from sklearn.datasets import load_digits
from torch.nn import functional

import etsdm


def make_unet(width: int) -> UNet2DModel:
    """diffusers' U-Net for 8x8 grey images, shared."""
    unet = UNet2DModel(
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
    etsdm.share(unet, t_tilde=100, n=5)  # <- E-TSDM
    return unet


def digits() -> torch.Tensor:
    """1,797 digits in [-1, 1], (N, 1, 8, 8)."""
    return torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 8 - 1


def train(unet: UNet2DModel, scheduler: DDPMScheduler, images: torch.Tensor, steps: int) -> None:
    """The noise follows the true t, and the network is told the shared one. It ends with the averaged weights."""
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-3)
    ema = EMAModel(unet.parameters(), decay=0.99, use_ema_warmup=True)
    for step in range(steps):
        clean_images = images[torch.randint(len(images), (64,))]
        noise = torch.randn_like(clean_images)
        timesteps = torch.randint(scheduler.config.num_train_timesteps, (len(clean_images),))
        noisy_images = scheduler.add_noise(clean_images, noise, timesteps)
        loss = functional.mse_loss(unet(noisy_images, timesteps).sample, noise)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        ema.step(unet.parameters())
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    ema.copy_to(unet.parameters())


@torch.no_grad()
def lipschitz(unet: UNet2DModel, scheduler: DDPMScheduler, x0: torch.Tensor, t_prime: int, t: int) -> float:
    """K(t', t) = E |eps(x_t, t) - eps(x_t, t')| / (t - t'), both predictions at the same x_t."""
    x_t = scheduler.add_noise(x0, torch.randn_like(x0), torch.full((len(x0),), t))
    difference = unet(x_t, t).sample - unet(x_t, t_prime).sample
    return difference.flatten(1).norm(dim=1).mean().item() / (t - t_prime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="of training")
    parser.add_argument("--width", type=int, default=32, help="channels of the network's first level")
    parser.add_argument("--nfe", type=int, default=30, help="evaluations of the network to sample with")
    parser.add_argument("--out", default="digits", help="folder for the pipeline")
    options = parser.parse_args()
    torch.manual_seed(0)
    unet, scheduler, images = make_unet(options.width), DDPMScheduler(1000), digits()
    train(unet, scheduler, images, options.steps)
    DDPMPipeline(unet, scheduler).save_pretrained(options.out)

    loaded = UNet2DModel.from_pretrained(options.out, subfolder="unet")
    etsdm.share(loaded, t_tilde=100, n=5)  # <- E-TSDM again: it is no part of the weights
    pipeline = DDIMPipeline(loaded, DDIMScheduler.from_pretrained(options.out, subfolder="scheduler"))
    for row in pipeline(2, num_inference_steps=options.nfe, output_type="np").images[..., 0].transpose(1, 0, 2):
        print("".join(" .:-=+*#%@"[int(9.99 * value)] * 2 for value in row.flatten()))
    print(etsdm.step_conditions(pipeline.scheduler, t_tilde=100, n=5))
    print(f"K(85, 95), inside the sub-interval [80, 100): {lipschitz(loaded, scheduler, images[:256], 85, 95):.4f}")
    print(f"K(75, 85), across its left end:               {lipschitz(loaded, scheduler, images[:256], 75, 85):.4f}")
    print(f"K(110, 120), above t_tilde = 100:             {lipschitz(loaded, scheduler, images[:256], 110, 120):.4f}")


if __name__ == "__main__":
    main()
