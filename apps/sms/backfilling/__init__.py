"""Bringing in what other systems kept: page by page from CSV files, resumable, tried out first."""
