"""How the replies of a round become the next global model."""
