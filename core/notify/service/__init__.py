"""The services that bring messages to people, through Apprise."""
