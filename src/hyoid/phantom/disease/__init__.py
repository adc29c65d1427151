"""Tumours and nodes of a virtual patient, their looks, and how treatment changes them."""
