"""The digest of the model that comes with this version: `make model-digest` writes it, `gifcue.detect.trust` reads it.

It is code, so that whoever can write to the model's folder, but not to the code, cannot replace the digest as well.
"""

SHIPPED_SHA256 = "9eb54e7fe819192da2a87cc39aac7428b0536b66f141958a365c644f6ebec71d"
