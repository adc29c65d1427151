"""Model cards: what a measured package may answer, and the text that tells a reader what it is worth."""
