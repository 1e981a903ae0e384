"""The content-addressed store of preprocessed cases, memory-mapped."""

from wardround.engine.store.case import StoredCase
from wardround.engine.store.store import CaseStore, StoreEntry, StoreFullError

__all__ = ["CaseStore", "StoreEntry", "StoreFullError", "StoredCase"]
