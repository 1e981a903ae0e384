"""A hospital's end: the courier (network, no data), the worker (data, no network), and the policy between them."""
