"""The measuring stick: the same work, on the same server over the same link, always from a cold start.

`stage` runs the server and the mounts, `rows` says what is measured, `figures` what came of it, `link` what the link
itself allows.  Run it as `scripts/bench`.
"""
