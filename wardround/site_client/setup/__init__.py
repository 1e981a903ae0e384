"""What staff do before the site runs: make it, accept an invitation, and check everything."""
