"""From masks and probabilities to the structured report, its evidence and its written forms. No torch."""
