"""Photographs and their labels: reading, checking, converting, splitting, counting.

LabelImg's Pascal VOC XML is the native form (`voc`), because it is what a person corrects by hand.
`regions` merges doubled boxes into faces and hands with at most one attribute, which is what training and
evaluation see.
"""
