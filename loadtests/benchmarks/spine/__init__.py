"""How fast is the spine, beside what the machine itself takes: `make bench` runs it."""
