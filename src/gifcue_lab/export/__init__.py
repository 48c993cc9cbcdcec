"""From trained weights to what is served: LiteRT files, a SavedModel and their metadata.

Modules import only from those above them:

    metadata               reads and writes `metadata.json`
    weights                Keras networks of a model folder, the mean of several runs
    litert                 a network as a LiteRT file
    quantise               LiteRT files in int8
    graph_processing       pre- and postprocessing in TensorFlow
    savedmodel             the whole detector as a TensorFlow graph
    score_fit, thresholds  what calibration fits
    calibration            `calibrate`: writes calibration and thresholds into the metadata
    pack                   `pack`: a model folder from finished runs
    triton_tensorflow      networks as SavedModels for Triton
    triton                 `export_triton`: model repositories for Triton, of which triton_python holds a part
    formats                `export`: every format that can be served, and the accuracy of each
"""
