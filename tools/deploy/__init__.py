"""The manifests for Kubernetes: Kustomize files from the Helm chart, and their checks."""
