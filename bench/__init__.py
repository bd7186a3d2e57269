"""Benchmarks: each prints how we compare with something that is run beside it. ``python -m bench`` runs them all."""
