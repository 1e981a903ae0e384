"""Strategies: what sites and the aggregator agree to exchange, and how replies become the next global model."""
