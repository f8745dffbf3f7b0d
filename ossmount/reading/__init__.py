"""Clean bytes of one object version: readahead, the block cache in memory and on disk, readers."""
