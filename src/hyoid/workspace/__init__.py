"""Readers at work on many scans: sessions in memory and on disk, and who is first."""
