"""Detections over time ► reactions somebody meant."""
