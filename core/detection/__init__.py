"""Detection in Python, for backtests and for sources without triggers. The triggers follow the same rule book."""
