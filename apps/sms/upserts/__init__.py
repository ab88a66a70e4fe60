"""Adding and changing subscribers in bulk: read and checked, written by a few statements, shown."""
