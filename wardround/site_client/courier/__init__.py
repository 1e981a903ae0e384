"""The courier: network and keys, no data. It passes tasks to the worker and signs what the guard lets leave."""
