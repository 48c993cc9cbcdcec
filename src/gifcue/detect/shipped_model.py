"""The digest of the model that comes with this version: `make model-digest` writes it, `gifcue.detect.trust` reads it.

It is code, so that whoever can write to the model's folder, but not to the code, cannot replace the digest as well.
"""

SHIPPED_SHA256 = "89a83655d81414e00bb0aa149cdb340d3644747dfbc2c3d6ac3aec4cf047a56a"
