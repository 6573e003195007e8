"""`rtp notify` killed at random, and every message accounted for."""
