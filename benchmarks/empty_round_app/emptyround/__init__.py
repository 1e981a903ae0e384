"""A Flower app whose rounds train nothing."""
