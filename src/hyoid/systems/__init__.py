"""One file per system; each reads like the figure of its paper."""
