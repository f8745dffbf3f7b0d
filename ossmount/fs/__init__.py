"""A POSIX view without FUSE: where tree, reading and writing meet."""
