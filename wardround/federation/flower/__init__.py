"""The one adapter to Flower: `link` is the aggregator's side, `node` is the courier's side.

Nothing else in the project imports `flwr`. Importing this package does not import it either: `settings.prepare` must
be able to set Flower's environment first.
"""
