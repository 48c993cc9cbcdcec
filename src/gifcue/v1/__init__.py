"""The wire: code generated from protos/gifcue/v1 by `make protos`. Never edited by hand."""
