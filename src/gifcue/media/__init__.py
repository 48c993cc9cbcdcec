"""Decodes participants' video, and selects the pictures that are analysed."""
