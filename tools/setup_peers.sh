#!/usr/bin/env bash
# Installs the programs that tests run gifcue against: Chromium and Janus as Debian packages, livekit-server and its
# browser library in a cache outside the checkout. Where that is not possible, it prints what is missing and changes
# nothing: the tests that need a missing program skip, except in CI.
set -euo pipefail

# The last version whose go.mod has no replace lines, which `go install` refuses.
LIVEKIT_SERVER=1.13.5
LIVEKIT_CLIENT=2.23.0
CACHE=${GIFCUE_PEERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gifcue/peers}

livekit_server() {
  local program=$CACHE/livekit-server-$LIVEKIT_SERVER
  if [ ! -x "$program" ]; then
    command -v go >/dev/null || { echo "missing: go, to build livekit-server. Tests that need it are skipped."; return; }
    echo "livekit-server: building $LIVEKIT_SERVER (200 s of CPU time)"
    local built
    built=$(mktemp -d)
    GOBIN=$built go install -ldflags '-s -w' \
      "github.com/livekit/livekit-server/cmd/server@v$LIVEKIT_SERVER"
    mkdir -p "$CACHE"
    mv "$built/server" "$program"
    rmdir "$built"
  fi
  echo "livekit-server: $program"
}

livekit_client() {
  local folder=$CACHE/livekit-client-$LIVEKIT_CLIENT
  if [ ! -e "$folder/dist/livekit-client.umd.js" ]; then
    command -v npm >/dev/null || { echo "missing: npm, to fetch livekit-client. Tests that need it are skipped."; return; }
    local fetched
    fetched=$(mktemp -d)
    (cd "$fetched" && npm pack --silent --ignore-scripts "livekit-client@$LIVEKIT_CLIENT" >/dev/null && tar xzf ./*.tgz)
    mkdir -p "$CACHE"
    mv "$fetched/package" "$folder"
    rm -r "$fetched"
  fi
  echo "livekit-client: $folder"
}

livekit_server
livekit_client

# package, and the program that it brings
PEERS=("chromium chromium" "janus janus")

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
# Debian starts a service with its installation. Tests start a Janus of their own, with ports and rooms of their own.
case " ${missing[*]} " in
  *" janus "*) [ ! -d /run/systemd/system ] || systemctl disable --now janus ;;
esac
