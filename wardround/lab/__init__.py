"""Real sites and an aggregator as processes on one machine, over TLS on loopback."""
