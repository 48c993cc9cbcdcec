"""Labelled photographs: reading, checking, converting, splitting and counting.

Labels are stored as LabelImg's Pascal VOC XML (`voc`), which people can edit by hand. `regions` merges the boxes of an
object into one face or hand with at most one attribute, which is what training and evaluation use. `boxes` computes
overlaps.
"""
