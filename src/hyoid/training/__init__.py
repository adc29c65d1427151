"""Train networks from recipes. Needs the extra `train`."""
