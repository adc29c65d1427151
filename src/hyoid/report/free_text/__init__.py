"""Free-text radiology reports into the structured template."""
