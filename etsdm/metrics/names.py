"""Names of the metrics: they state the protocol, so that unlike numbers can't be mistaken for one another."""

FEATURES = {"classifier": 64, "inception": 2048}
"""Length of each encoder's feature vector."""

PREFIXES = {
    ("frechet", "inception"): "fid-clean-inception",
    ("kernel", "inception"): "kid-clean-inception",
    ("frechet", "classifier"): "fd-classifier",
    ("kernel", "classifier"): "kd-classifier",
}


def metric_name(distance: str, encoder: str, n: int) -> str:
    """Name of a distance, such as `fid-clean-inception-10k` or `fd-classifier-1k`, for `n` generated images."""
    count = f"{n // 1000}k" if n % 1000 == 0 else str(n)
    return f"{PREFIXES[distance, encoder]}-{count}"


ENCODER_FILES = {"inception": "inception-2015-12-05.pt", "classifier": "weights.safetensors"}
"""File of each encoder's weights, in its folder."""
