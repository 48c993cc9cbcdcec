"""Sources of encoded video for a client: files, URLs and cameras, read as packets and paced as recorded."""
