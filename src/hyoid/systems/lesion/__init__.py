"""The interactive lesion report (ISRG): clicks to a lesion's mask and five attributes, refined at every click."""
