"""The cache, as services read it; docs/cache.md says what its readers promise."""
