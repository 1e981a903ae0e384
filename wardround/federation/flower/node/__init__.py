"""The site's side of the transport: the loop that asks for messages, its sessions, and the ways out through proxies."""
