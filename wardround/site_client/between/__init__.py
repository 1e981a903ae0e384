"""What courier and worker share: the folders and the socket between them, and the users they may run as."""
