"""The lab, its baselines and matrices, and the demo."""
