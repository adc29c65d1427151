"""The report as people and machines read it: page, text, JSON, pictures."""
