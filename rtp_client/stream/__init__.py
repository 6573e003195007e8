"""The Redis stream of delivered events, as readers follow it."""
