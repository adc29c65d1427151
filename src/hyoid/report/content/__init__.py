"""What a line of the report says, and why."""
