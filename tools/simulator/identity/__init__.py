"""The legacy token service: its dialect over its store of codes and tokens."""
