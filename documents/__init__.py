"""The pages of the reference that rtp's own code writes: `make reference`. A test holds them to the code."""
