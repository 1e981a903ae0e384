"""Ground floor: problems, digests, atomic files, random streams, progress. Imports neither torch nor any other room."""
