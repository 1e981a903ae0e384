"""The worker: data and device, no network. One task at a time becomes a result on disk."""
