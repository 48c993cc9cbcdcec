"""The digest of the model that comes with this version: `make model-digest` writes it, `gifcue.detect.trust` reads it.

It is code, so that whoever can write to the model's folder, but not to the code, cannot replace the digest as well.
"""

SHIPPED_SHA256 = "f83d7ff087366439c32f7630aa9fd8b52a9f79337f27d3169fc66ef4e9a734bc"
