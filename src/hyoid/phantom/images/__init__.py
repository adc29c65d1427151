"""CT, PET and MR of a virtual patient."""
