"""Volumes to network inputs: windows, normalisation, heatmaps, body outline. Pure functions on arrays."""
