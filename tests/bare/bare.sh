#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Demo and tests in a freshly made minimal Debian 12: bare.sh [FOLDER]
#
# debootstrap makes the root in FOLDER (a temporary one without it), the committed state of this
# repository is cloned into it, and both commands run there by chroot. What the root has beyond
# debootstrap's minbase is git and the configuration of this machine that it needs to reach its
# package registries: apt's sources, pip's settings, name resolution, trusted CAs. Needs root.
set -euo pipefail
repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
[ "$(id -u)" = 0 ] || exec sudo --preserve-env "$0" "$@"

root=${1:-$(mktemp -d /var/tmp/sluice-bare.XXXXXX)}
[ -z "$(ls -A "$root" 2>/dev/null)" ] || { echo "bare: $root is not empty" >&2; exit 1; }
mkdir -p "$root"
command -v debootstrap >/dev/null || {
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends debootstrap
}

mounts=()
cleanup() {
    local i
    for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do umount -l "${mounts[i]}" || true; done
    [ -n "${KEEP:-}" ] || rm -rf --one-file-system "$root"
}
trap cleanup EXIT

mirror() { # the first Debian archive in apt's sources
    sed -nE -e 's/^URIs: *([^ ]+).*/\1/p' -e 's/^deb (\[[^]]*\] )?([^ ]+) bookworm main.*/\2/p' \
        /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
        grep -v security | head -1
}

echo "==> debootstrap into $root"
begun=$SECONDS
debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" "$(mirror)" \
    >"$root.log" 2>&1 || { tail -20 "$root.log"; exit 1; }
rm -f "$root.log"

# This machine's way to the registries.
rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d"
mkdir -p "$root/etc/apt/sources.list.d" "$root/usr/local/share/ca-certificates"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.sources \
    /etc/apt/sources.list.d/*.list; do
    [ ! -f "$file" ] || cp "$file" "$root$file"
done
grep -l '^ *Acquire' /etc/apt/apt.conf.d/* 2>/dev/null |
    xargs -r -I{} cp {} "$root/etc/apt/apt.conf.d/"
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
    [ ! -f "$file" ] || cp -L "$file" "$root$file"
done
cp -L /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" \
    2>/dev/null || true
chroot "$root" update-ca-certificates >/dev/null 2>&1

for entry in proc sys dev dev/pts dev/shm; do
    mkdir -p "$root/$entry"
    mount --bind "/$entry" "$root/$entry"
    mounts+=("$root/$entry")
done

git clone -q "file://$repo" "$root/root/sluice"
chroot "$root" git -C /root/sluice log -1 --format='==> commit %h %s'
echo "==> the root took $((SECONDS - begun)) s"

# A bare environment: nothing of this shell but what pip needs to reach its registry.
environment=(HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}")
pip='PIP_(CERT|INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|PROXY|DEFAULT_TIMEOUT)'
while IFS= read -r line; do environment+=("$line"); done < <(
    env | grep -E "^($pip|(https?|no)_proxy)=")
inside() { chroot "$root" env -i "${environment[@]}" bash -c "cd /root/sluice && $1"; }

SECONDS_MAX=900
late=0
took() { # NAME BEGUN
    local seconds=$((SECONDS - $2))
    echo "==> $1 took $seconds s, of $SECONDS_MAX"
    [ "$seconds" -le "$SECONDS_MAX" ] || { echo "bare: $1 took too long" >&2; late=1; }
}

begun=$SECONDS
inside './dev demo --once --json demo.json </dev/null'
took demo "$begun"
inside 'cat demo.json'
begun=$SECONDS
inside './dev test </dev/null'
took test "$begun"
exit "$late"
