"""The Open Inference Protocol: code generated from protos/gifcue/triton/v2 by `make protos`. Never edited by hand."""
