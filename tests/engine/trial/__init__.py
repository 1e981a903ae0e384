"""The trial pass: every part works once before a training begins."""
