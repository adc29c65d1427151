"""Networks on disk: model packages, nnU-Net folders, public weights."""
