"""The ready files under configs/."""
