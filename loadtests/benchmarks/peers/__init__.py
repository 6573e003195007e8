"""rtp beside other ways to learn of changes in PostgreSQL, in one run: same machine, same server, same writes.

`make peers` runs it; docs/explanation/peers.md says what is measured, how each peer is configured, and what is not
compared.
"""
