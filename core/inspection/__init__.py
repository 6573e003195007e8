"""Looking at rtp through its database: what `rtp status` and `rtp explain` show."""
