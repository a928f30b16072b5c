"""One thread per numerical library: the tests themselves run in parallel."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
