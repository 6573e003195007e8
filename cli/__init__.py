"""The command `rtp`: one file per command. Commands print; what they print is worked out elsewhere."""
