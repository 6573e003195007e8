"""Where alerts are taken from, and how they come into the outbox."""
