"""Files from the internet, whole and known by their digest, or not there."""

import shutil
import urllib.request
from pathlib import Path
from typing import Any

from tqdm import tqdm

from etsdm.errors import UserError
from etsdm.runtime.files import atomic, sha256


def download(url: str, path: Path, *digests: str, otherwise: str | None = None, progress: bool = True) -> str:
    """Download the file at `url` to `path`, atomically.

    Args:
        url: where it is.
        path: the file to write.
        digests: SHA-256, hexadecimal, of each file that is accepted; none: any file is.
        otherwise: how to get the file without internet, for the message of a failure.
        progress: show a progress bar.

    Returns:
        The SHA-256 of the file.

    Raises:
        UserError: it cannot be downloaded, or has none of the digests.
    """
    try:
        with atomic(path) as temporary:
            with urllib.request.urlopen(url, timeout=60) as response, temporary.open("wb") as file:
                total = int(response.headers.get("Content-Length", 0)) or None
                shown: dict[str, Any] = {"unit": "B", "unit_scale": True, "disable": not progress}
                with tqdm.wrapattr(response, "read", total, desc=path.name, **shown) as source:
                    shutil.copyfileobj(source, file)
            digest = sha256(temporary)
            if digests and digest not in digests:
                expected = " or ".join(digests)
                raise UserError(
                    f"{url}: not the expected file: its SHA-256 is {digest}, not {expected}; fetch it again"
                )
            return digest
    except OSError as error:  # URLError and the time-outs are OSErrors
        advice = otherwise or f"get it in another way, and write it to {path}"
        raise UserError(f"cannot download {url} ({error}); {advice}") from error
