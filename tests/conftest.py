"""One thread per numerical library: the tests themselves run in parallel."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    """The workflow first: what its tests share takes minutes to make, in which other processes run the other tests."""
    items.sort(key=lambda item: item.get_closest_marker("workflow") is None)
