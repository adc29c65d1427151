"""The web workspace: server, page, and protocols of other viewers."""
