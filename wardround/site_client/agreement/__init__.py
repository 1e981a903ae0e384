"""What the hospital's staff set and accepted: settings, policy, the invitation in force, keys, the account of work."""
