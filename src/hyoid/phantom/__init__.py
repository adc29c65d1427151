"""Virtual patients: anatomy -> disease -> image -> truth."""
