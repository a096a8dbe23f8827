"""The glass box: receipts and graphs, read from the facets of the very mappings that ran."""
