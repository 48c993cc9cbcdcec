"""The server: settings, lifecycle, gRPC services, health, HTTP and metrics. The engine makes all decisions."""
