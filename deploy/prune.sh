#!/bin/sh
# Removes from an environment what no gifcue server loads: prune.sh /opt/gifcue. deploy/README.md has the sizes.
set -eu
packages=$(echo "$1"/lib/python3*/site-packages)
# LiteRT loads this only where a GPU is asked for by WebGPU, which gifcue never does.
rm -f "$packages"/ai_edge_litert/libLiteRtWebGpuAccelerator.so
# Compilers and converters of models; serving only interprets them.
rm -rf "$packages"/ai_edge_litert/tools "$packages"/ai_edge_litert/aot "$packages"/ai_edge_litert/vendors
# Tests of packages, types for checkers, and sources in C and Cython.
for package in numpy av grpc google aiohttp ml_dtypes h5py; do
  [ -d "$packages/$package" ] || continue
  find "$packages/$package" -type d -name tests -prune -exec rm -rf {} +
  find "$packages/$package" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) -delete
done
rm -rf "$packages"/numpy/f2py "$packages"/numpy/distutils
# Headers, for building against TensorFlow and NVIDIA's libraries; static libraries; and CUDA's compiler but for what XLA
# calls (ptxas, libdevice).
[ ! -d "$packages/tensorflow" ] || rm -rf "$packages"/tensorflow/include
if [ -d "$packages/nvidia" ]; then
  find "$packages/nvidia" -type d -name include -prune -exec rm -rf {} +
  find "$packages/nvidia" -type f -name '*.a' -delete
fi
