"""A whole training: from an archive of images to the averaged weights."""

from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from etsdm.data.archive import Pixels
from etsdm.data.maps import map_images
from etsdm.errors import Interrupted, UserError
from etsdm.models.spec import Images, ModelSpec
from etsdm.models.weights import save_weights
from etsdm.runtime.devices import pick_device
from etsdm.runtime.digests import remembered
from etsdm.runtime.files import sha256, write_text
from etsdm.runtime.processes import joined
from etsdm.runtime.stop import StopRequest
from etsdm.training.metrics import MetricsLog
from etsdm.training.snapshots import check_kept, intermediate
from etsdm.training.state import States, run_identity
from etsdm.training.trainer import Trainer

LINES = 400
"""Lines of metrics.jsonl in a training, where a line covers a step at least."""


def train(
    spec: ModelSpec,
    images: Path,
    out: Path,
    device: str = "auto",
    progress: bool = True,
    fingerprint: str = "",
    save_minutes: float = 5,
    minutes: float = 0,
    micro_batch: int | None = None,
    checkpointing: bool = False,
    compiled: bool = False,
) -> dict[str, float]:
    """Train what `spec` says, or go on training it, and write out/weights.safetensors last.

    The weights are the average's, in float32. On the way: the snapshots that `spec` asks for, out/metrics.jsonl,
    out/tensorboard and, until the end, out/state. The last batch is a whole one, so a little more images than asked for
    may be seen. Under torchrun, all processes train the same network together.

    Args:
        spec: the resolved specification of the run.
        images: the data set's image archive.
        out: the run's folder.
        device: see `pick_device`.
        progress: draw a progress bar on stderr.
        fingerprint: digest of the code; a state left by other code, other images or another specification is not
            resumed.
        save_minutes: the state is saved so often.
        minutes: time limit of the job, before which the state is saved; 0 for none.
        micro_batch, checkpointing, compiled: see `Trainer`.

    Returns:
        "images" seen, "seconds" of training (over all attempts that the weights come from), "parameters".

    Raises:
        UserError: the images are not those of the specification, a snapshot written before the training was cut off is
            not there any more, or the training diverged.
        Interrupted: SIGTERM or SIGINT came, or the time is nearly up; the state is saved.
    """
    stop, digest = StopRequest(minutes), remembered(images)
    pixels = map_images(images, digest)
    check_images(images, pixels, spec.dataset)
    with ExitStack() as stack:
        processes = stack.enter_context(joined())
        first = processes.rank == 0
        trainer = Trainer(spec, pixels, pick_device(device, stop), processes, micro_batch, checkpointing, compiled)
        states = States(out / "state", run_identity(spec.json_values(), f"{fingerprint} {digest}"), save_minutes)
        states.resume(trainer)
        if first:
            check_kept(out, trainer.snapshots)
        stack.enter_context(stop)
        log = stack.enter_context(MetricsLog(states.folder, out / "tensorboard", trainer.images)) if first else None
        total, batch = spec.training.images, spec.training.batch
        bar = stack.enter_context(
            tqdm(
                total=total,
                initial=trainer.images,
                unit="img",
                unit_scale=True,
                mininterval=1,
                disable=not (progress and first),
            )
        )
        while trainer.images < total:
            before, rate = trainer.images, trainer.learning_rate
            trainer.step()
            bar.update(batch)
            keep_snapshots(trainer, spec, out, before)
            finished = trainer.images >= total
            if finished or passed(max(1, total // LINES), before, trainer.images):
                trainer.check_finite()
                means = trainer.tally.means(processes)
                if log:
                    log.write(trainer.images, {**means, "lr": rate})
                trainer.tally.clear()
            if not finished and processes.any(stop.requested or states.due):
                states.save(trainer)
                if processes.any(stop.requested):
                    raise Interrupted(f"{out}: saved after {trainer.images:,} images; the same command goes on")
        trainer.check_weights()
        if log:
            write_text(out / "metrics.jsonl", log.path.read_text(encoding="utf-8"))
            save_weights(out / "weights.safetensors", trainer.average.weights, spec.json_values())
    return {
        "images": trainer.images,
        "seconds": states.seconds,
        "parameters": sum(parameter.numel() for parameter in trainer.parameters),
    }


def keep_snapshots(trainer: Trainer, spec: ModelSpec, out: Path, before: int) -> None:
    """Write the snapshots that are due after the step from `before` images on.

    Raises:
        UserError: the training has diverged.
    """
    due = [snapshot for snapshot in intermediate(spec.training) if before < snapshot.images <= trainer.images]
    if due:
        trainer.check_finite()
    for snapshot in due if trainer.processes.rank == 0 else ():
        path = out / snapshot.file
        weights = trainer.averages[snapshot.ema_half_life].weights
        save_weights(path, weights, spec.json_values() | {"snapshot": snapshot._asdict()})
        trainer.snapshots[path.name] = sha256(path)


def passed(every: int, before: int, after: int) -> bool:
    """Whether the clock, going from `before` to `after` images, came to a multiple of `every`."""
    return after // every > before // every


def check_images(path: Path, pixels: Pixels, dataset: Images) -> None:
    """Raise UserError unless the images at `path` have the size and channels of `dataset`."""
    expected = (dataset.resolution, dataset.resolution, dataset.channels)
    if pixels.shape[1:] != expected:
        raise UserError(
            f"{path}: its images are {pixels.shape[1:]} (height, width, channels) but the specification says "
            f"{expected}; prepare the data set again"
        )
