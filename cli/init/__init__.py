"""`rtp init`: from a live database to a settings file."""
