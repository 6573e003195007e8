"""rtp's core: settings, the event, the log and its readers, and the sinks. Kept empty: a cold start pays for it."""
