"""Layouts of data sets, each read and written in one place."""
