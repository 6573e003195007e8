"""What `rtp run --demo` shows: a market, simulated or replayed, and a reader of its alerts."""
