"""The content-addressed store of preprocessed cases, memory-mapped."""

from wardround.engine.store.store import CaseStore, StoreEntry, StoreFullError
from wardround.engine.store.types import StoredCase

__all__ = ["CaseStore", "StoreEntry", "StoreFullError", "StoredCase"]
