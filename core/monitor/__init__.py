"""What a running rtp shows of itself: metrics, probes, and a line in its database."""
