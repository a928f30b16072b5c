"""A training step, beside the loop of diffusers' training example, and its share of the matrix-product rate."""

from collections.abc import Callable
from statistics import median

import click
import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.networks import diffusers_network, model_spec
from benchmarks.timing import DEVICE, OURS, compared, in_turn, repetitions, show, spread
from etsdm.models.spec import ModelSpec
from etsdm.training.trainer import Trainer

PRODUCT = "matrix product"
SIDE = {"cpu": 2048, "cuda": 8192}
"""Of the matrices multiplied."""


def diffusers_step(resolution: int, width: int, batch: int, precision: str, device: str) -> Callable[[], None]:
    """A step of diffusers' examples/unconditional_image_generation, without Accelerate."""
    network = diffusers_network(resolution, width).to(device).train()
    average = EMAModel(network.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    average.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)
    rate = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=500, num_training_steps=100_000)
    scheduler = DDPMScheduler(1000)
    images = torch.rand(batch, 3, resolution, resolution, device=device) * 2 - 1

    def step() -> None:
        noise = torch.randn_like(images)
        t = torch.randint(1000, (batch,), device=device)
        noisy = scheduler.add_noise(images, noise, t)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            predicted = network(noisy, t).sample
        functional.mse_loss(predicted.float(), noise).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        rate.step()
        optimizer.zero_grad()
        average.step(network.parameters())

    return step


def matrix_product(device: str, precision: str) -> tuple[int, Callable[[], object]]:
    """Floating-point operations of a product of square matrices, and the product."""
    side = SIDE[device]
    matrix = torch.randn(side, side, device=device, dtype=getattr(torch, precision))
    return 2 * side**3, lambda: matrix @ matrix


@click.command(help=__doc__)
@DEVICE
@repetitions(9)
@click.option("--resolution", default=32, show_default=True, help="Side of the images, px.")
@click.option("--width", default=64, show_default=True, help="Channels of the first level, a multiple of 32.")
@click.option("--batch", default=16, show_default=True)
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True)
def main(device: str, repeats: int, resolution: int, width: int, batch: int, precision: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1024, resolution, resolution, 3), np.uint8)
    trainer = Trainer(
        ModelSpec.model_validate(model_spec(resolution, width, batch, precision)), pixels, torch.device(device)
    )
    with FlopCounterMode(display=False) as counter:
        trainer.step()
    operations, product = matrix_product(device, precision)
    works = {
        OURS: trainer.step,
        "diffusers UNet2DModel": diffusers_step(resolution, width, batch, precision, device),
        PRODUCT: product,
    }
    seconds = in_turn(works, repeats, device)
    products = seconds.pop(PRODUCT)
    rates = [counter.get_total_flops() / step for step in seconds[OURS]]
    shares = [rate / (operations / product) for rate, product in zip(rates, products, strict=True)]
    show(compared(f"training step, {resolution} px, {width} channels, batch {batch}, {precision}", seconds))
    click.echo(
        f"\nA step has {counter.get_total_flops() / 1e9:.3g} GFLOP, at {median(rates) / 1e9:.3g} GFLOP/s: "
        f"{spread(shares)} of the matrix-product rate."
    )


if __name__ == "__main__":
    main()
