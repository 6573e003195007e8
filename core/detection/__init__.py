"""Detection in Python: the rule book that the triggers follow too, for backtests and for sources without triggers."""
