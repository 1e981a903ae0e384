"""The aggregator's side of the transport: listener, gate, who is admitted, and the link that asks a site and waits."""
