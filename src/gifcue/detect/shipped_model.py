"""The digest of the model that comes with this version: `make model-digest` writes it, `gifcue.detect.trust` reads it.

It is code, so that whoever can write to the model's folder, but not to the code, cannot replace the digest as well.
"""

SHIPPED_SHA256 = "939c7f39d2ffaa6069b310059517b55a7e074b6fbbe977c945aec2e7fb3e66b5"
