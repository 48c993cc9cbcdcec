"""The edge: lifecycle, gRPC servicers, health, operator calls, HTTP. Converts, decides nothing."""
