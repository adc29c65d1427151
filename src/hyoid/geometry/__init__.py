"""Grids in space: orientation, boxes, resampling. No I/O, no networks."""
