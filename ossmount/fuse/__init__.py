"""The kernel on one side, `fs` on the other: the only room that knows pyfuse3."""
