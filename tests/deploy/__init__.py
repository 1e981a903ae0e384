"""What deploy/ ships, as far as it can be checked without a container registry."""
