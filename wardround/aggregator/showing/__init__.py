"""How a run is shown: live table, status, page, history, models and curves. Nothing here decides anything."""
