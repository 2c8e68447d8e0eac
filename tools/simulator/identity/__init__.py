"""The token service: one module per dialect, over one store of codes and tokens."""
