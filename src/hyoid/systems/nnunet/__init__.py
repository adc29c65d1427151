"""Any nnU-Net v2 model, run with nnU-Net's own arithmetic and without nnunetv2."""
