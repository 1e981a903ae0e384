"""The coordinator's end: roster, round loop, strategies, inbox and the registry of global models."""
