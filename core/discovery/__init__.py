"""What a database holds that rtp could watch: looked at, judged by pure functions, and written as settings."""
