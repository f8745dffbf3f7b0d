"""The client beside others, on loopback: how fast, and for how much CPU."""
