"""Benchmarks: each prints how we compare with something that is run beside it. ``python -m bench`` runs them all."""

import os

# As on users' machines: an interpreter that keeps no compiled code would compile ours at each start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
