"""Who takes part, and with which keys they speak: the roster, its changes, the federation's keys and certificates."""
