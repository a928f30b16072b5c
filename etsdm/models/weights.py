"""Weights on disk: safetensors, with the JSON specification of what was trained in the metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from etsdm.errors import UserError
from etsdm.runtime.files import atomic
from etsdm.runtime.finite import check_all_finite


def save_weights(path: Path, tensors: Mapping[str, Tensor], spec: Mapping[str, Any]) -> None:
    """Write `tensors` and `spec` to `path` atomically; equal contents give equal bytes.

    Raises:
        UserError: a value is not finite; nothing is written.
    """
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    check_all_finite(whole, str(path), "such weights are not written")
    content = save(whole, metadata={"spec": json.dumps(spec)})
    with atomic(path) as temporary:
        temporary.write_bytes(content)  # safetensors' own save_file leaves the file readable by its owner only


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_weights` wrote: the tensors, on the CPU, and the specification.

    Raises:
        UserError: the file is missing, is damaged, carries no specification, or holds a value that is not finite.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error}); make it again") from error
    if "spec" not in metadata:
        raise UserError(f"{path}: holds weights but no specification; only weights that etsdm wrote can be used")
    check_all_finite(tensors, str(path), "train it again, or take a checkpoint from before its training diverged")
    return tensors, json.loads(metadata["spec"])
