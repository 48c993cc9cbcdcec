"""The digest of the model that comes with this version: `make model-digest` writes it, `gifcue.detect.trust` reads it.

It is code, so that whoever can write to the model's folder, but not to the code, cannot replace the digest as well.
"""

SHIPPED_SHA256 = "274096d1d8ac4a864b05f226c4a619cac2ab71b61bba53dac244a0e3ae56b432"
