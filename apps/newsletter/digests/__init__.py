"""Weekly digests: read the sources, put an issue together, send it as one mailing."""
