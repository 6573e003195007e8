"""Code that runs in a Lambda of its own, apart from rtp."""
