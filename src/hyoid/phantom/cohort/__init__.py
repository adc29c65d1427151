"""Folders of virtual patients with their truth."""
