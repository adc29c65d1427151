"""Tumour and nodes on PET/CT (Huang and Wang, HECKTOR 2025): head region, coarse targets, fine ensemble."""
