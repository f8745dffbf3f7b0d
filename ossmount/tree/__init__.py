"""What is called what, and what we believe about it: names and keys, attributes, inodes, beliefs with an expiry."""
