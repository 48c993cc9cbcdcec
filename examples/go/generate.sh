#!/usr/bin/env bash
# Generates gen/ from ../../protos. Needs Go, and Python with grpcio-tools, whose protoc it uses.
set -euo pipefail
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3}
BIN=$(mktemp -d)
trap 'rm -rf "$BIN"' EXIT
GOBIN=$BIN go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.9
GOBIN=$BIN go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1
mkdir -p gen
PACKAGE=example.com/gifcue-example/gen/gifcue/v1
OPTIONS=Mgifcue/v1/media.proto=$PACKAGE,Mgifcue/v1/reaction_service.proto=$PACKAGE
PATH=$BIN:$PATH "$PYTHON" -m grpc_tools.protoc -I ../../protos \
  --go_out=gen --go_opt=paths=source_relative,$OPTIONS \
  --go-grpc_out=gen --go-grpc_opt=paths=source_relative,$OPTIONS \
  gifcue/v1/media.proto gifcue/v1/reaction_service.proto
