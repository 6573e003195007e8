"""The cache, as services read it; docs/reference/cache.md says what its readers promise."""
