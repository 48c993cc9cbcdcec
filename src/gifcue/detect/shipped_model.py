"""The digest of the model that comes with this version: `make model-digest` writes it, `gifcue.detect.trust` reads it.

It is code, so that whoever can write to the model's folder, but not to the code, cannot replace the digest as well.
"""

SHIPPED_SHA256 = "35f10c39d268feab9366b2400961ea0296e8e8a944913d54aedc14d76a21e8db"
