"""Detection in Python, for the sample log, for sources without triggers and for backtests."""
