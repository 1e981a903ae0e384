"""The local engine: everything that happens to images inside one hospital. Knows nothing of federation."""
