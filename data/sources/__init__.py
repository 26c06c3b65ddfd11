"""Readers of data sets: each yields items, and the rows that could not be read, with where and why."""
