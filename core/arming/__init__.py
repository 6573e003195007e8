"""Whether each watch is armed: a running rtp looks after that, and `rtp status` and `rtp validate` ask, too."""
