"""The processes: one adapter a platform, and the place where everything is wired."""

import os

# Before anything imports NumPy. OpenBLAS's second thread keeps a core busy for some 25 ms after each product with a
# thousand vectors and more, and whatever the program does next waits for that core (`docs/log.md`).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
