"""Numbers about masks: measurements of one mask, agreement of two. No torch."""
