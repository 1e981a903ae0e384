"""The round loop: a state machine on disk, conversations with the sites, and the rules for going on."""
