"""Encoded bytes ► frames worth looking at."""
