"""The anatomy of a virtual patient: body, organs, pose."""
