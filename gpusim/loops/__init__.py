"""Numba loops: arrays in, arrays out; the only place that imports Numba."""
