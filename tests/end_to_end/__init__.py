"""Whole federations of real processes over TLS, disturbed in every way that a network or a machine knows."""
