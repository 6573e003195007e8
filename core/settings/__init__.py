"""The settings: from YAML, the environment and options to frozen models."""
