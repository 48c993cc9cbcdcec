"""The digest of the model that comes with this version: `make model-digest` writes it, `gifcue.detect.trust` reads it.

It is code, so that whoever can write to the model's folder, but not to the code, cannot replace the digest as well.
"""

SHIPPED_SHA256 = "7f79c1af9d71b34b9a7336d4581c51e03d4176e96a09c7e24f979dd7d481651f"
