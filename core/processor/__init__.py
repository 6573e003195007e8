"""What `rtp run` runs: the log, its readers, one loop per sink, and how they sleep and wake."""
