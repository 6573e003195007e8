"""Load tests and benchmarks; nothing here runs in the test suite."""
