"""Files from the internet, whole and known by their digest, or not there."""

import shutil
import urllib.request
from pathlib import Path
from typing import Any

from tqdm import tqdm

from etsdm.errors import UserError
from etsdm.runtime.files import atomic, sha256


def download(url: str, path: Path, digest: str, progress: bool = True) -> None:
    """Put the file at `url` to `path`.

    Args:
        url: where it is.
        path: where it shall be.
        digest: its SHA-256, hexadecimal.
        progress: show a progress bar.

    Raises:
        UserError: it cannot be downloaded, or is not the file with that digest.
    """
    try:
        with atomic(path) as temporary:
            with urllib.request.urlopen(url, timeout=60) as response, temporary.open("wb") as file:
                total = int(response.headers.get("Content-Length", 0)) or None
                shown: dict[str, Any] = {"unit": "B", "unit_scale": True, "disable": not progress}
                with tqdm.wrapattr(response, "read", total, desc=path.name, **shown) as source:
                    shutil.copyfileobj(source, file)
            if (found := sha256(temporary)) != digest:
                raise UserError(f"{url}: not the file that it was: its SHA-256 is {found}, expected {digest}")
    except OSError as error:  # URLError and the time-outs are OSErrors
        raise UserError(f"cannot download {url} ({error}); get it otherwise, and put it to {path}") from error
