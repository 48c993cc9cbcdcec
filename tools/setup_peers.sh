#!/usr/bin/env bash
# Installs the programs that tests run gifcue against, as Debian packages. Where that is not possible,
# it prints what is missing and changes nothing: the tests that need a missing program skip, except in CI.
set -euo pipefail

# package, and the program that it brings
PEERS=("chromium chromium" "janus janus" "prometheus prometheus" "systemd systemd-analyze")

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
for service in janus prometheus; do
  case " ${missing[*]} " in
    *" $service "*) [ ! -d /run/systemd/system ] || systemctl disable --now "$service" ;;
  esac
done
