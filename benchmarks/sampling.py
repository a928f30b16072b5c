"""Sampling by DDIM, beside diffusers' DDIMPipeline."""

import click
import torch
from diffusers import DDIMPipeline, DDIMScheduler

from benchmarks.networks import diffusers_network, model_spec
from benchmarks.timing import DEVICE, OURS, compared, in_turn, repetitions, show
from etsdm.models.spec import ModelSpec
from etsdm.models.trained import build_network, make_predictor, process_of
from etsdm.plan.reading import parse_solver
from etsdm.sampling.sample import default_batch, sample_batch


@click.command(help=__doc__)
@DEVICE
@repetitions(5)
@click.option("--resolution", default=32, show_default=True, help="Side of the images, px.")
@click.option("--width", default=64, show_default=True, help="Channels of the first level, a multiple of 32.")
@click.option("--nfe", default=50, show_default=True, help="Evaluations an image.")
@click.option("--images", default=16, show_default=True, help="Images a repetition.")
def main(device: str, repeats: int, resolution: int, width: int, nfe: int, images: int) -> None:
    spec = ModelSpec.model_validate(model_spec(resolution, width, 1))
    process = process_of(spec)
    solver = parse_solver({"name": "ddim", "nfe": [nfe], "clip_x0": True})
    predict = make_predictor(build_network(spec).to(device).eval(), process, clip_x0=True)
    shape = (3, resolution, resolution)
    batch = default_batch(shape, torch.device(device))

    def ours() -> None:
        for start in range(0, images, batch):
            sample_batch(predict, solver, 0, range(start, min(start + batch, images)), shape)

    pipeline = DDIMPipeline(diffusers_network(resolution, width).eval(), DDIMScheduler(1000)).to(device)
    pipeline.set_progress_bar_config(disable=True)
    theirs = {"diffusers DDIMPipeline": lambda: pipeline(images, num_inference_steps=nfe, output_type="np")}
    seconds = in_turn({OURS: ours, **theirs}, repeats, device)
    show(compared(f"DDIM {nfe}, {images} images, {resolution} px, {width} channels", seconds))


if __name__ == "__main__":
    main()
