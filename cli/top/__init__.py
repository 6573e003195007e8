"""`rtp top`: the market, its pegs, its events and rtp's sinks on one screen of a terminal."""
