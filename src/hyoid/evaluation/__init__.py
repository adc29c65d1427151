"""Protocols of challenges and papers: which files belong together, what is measured, how results compare."""
