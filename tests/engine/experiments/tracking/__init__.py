"""Programs that keep runs."""
