"""WIQL, the query language of work items: syntax (text to tree) and evaluation (tree over work items)."""
