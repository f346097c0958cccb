"""Where text comes from: local files, the datasets hub, Python's own documentation, synthetic sources."""
