"""The program `wardround`: one module per command, and the runner that other programs share."""
