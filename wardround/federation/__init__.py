"""What both ends of a federation share: messages, identities, guards and the one adapter to Flower."""
