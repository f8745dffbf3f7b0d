"""The command line: what a person types, what it prints, and how a mount becomes a daemon."""
