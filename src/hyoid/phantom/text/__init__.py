"""Free-text reports of a virtual patient."""
