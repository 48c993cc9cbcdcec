"""The detector backend triton: inference servers run the networks, and the detector worker does while none can be used.

    models      how the models of a server are named, and which of their versions belongs to gifcue's model
    tensors     what is sent to a network, and whether what comes back can be used
    endpoint    one server: calls, and whether it can be used
    prober      checks the endpoints while nobody calls them
    figures     what is reported to the front
    networks    calls, the second attempt, and the networks of the worker itself
    worker      the entry point of detector workers
    v2          the Open Inference Protocol, generated from protos/gifcue/triton/v2

Everything runs in a detector worker. The front process imports none of it.
"""
