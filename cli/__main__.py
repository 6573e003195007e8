"""`python -m cli`: the command without an installed entry point."""

from cli.app import main

main()
