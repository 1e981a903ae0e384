"""Planning: what a set of cases is like, and the study that follows from it by rules with their reasons."""
