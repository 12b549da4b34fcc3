# SPDX-License-Identifier: Apache-2.0
# One private engine with the plugin in it for all tests. bats calls these two.

setup_suite() {
  local here plugin
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  plugin=${SNAPCLONE_PLUGIN_DIR:-$here/../../build/plugin}
  if [[ ! -e $plugin/config.json ]]; then
    echo "there is no plugin in $plugin: run \"make plugin\" first" >&2
    return 1
  fi

  export ENGINE=${SNAPCLONE_ENGINE_DIR:-$(mktemp -d /var/tmp/snapclone.XXXXXX)}
  "$here/../../scripts/private-engine" start "$ENGINE" >/dev/null
  unset DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION
  export DOCKER_HOST=unix://$ENGINE/docker.sock DOCKER_CONFIG=$ENGINE/cli

  make_images "$here" >/dev/null
  if ! { docker plugin create snapclone "$plugin" && docker plugin set snapclone LOG_LEVEL=debug &&
    docker plugin enable snapclone; } >/dev/null; then
    echo "the plugin cannot be enabled; the end of the engine's log:" >&2
    tail -n 20 "$ENGINE/log" >&2
    return 1
  fi
  PLUGIN_ID=$(docker plugin inspect -f '{{.Id}}' snapclone)
  export PLUGIN_ID PLUGIN_DATA=$ENGINE/data/plugins/$PLUGIN_ID/propagated-mount
}

teardown_suite() {
  [[ -z ${ENGINE:-} ]] || "$(dirname "${BASH_SOURCE[0]}")/../../scripts/private-engine" stop "$ENGINE"
}

# The image of every test is busybox, and a directory with content for volumes to mask or take over. Its command waits,
# and ends at once when it is told to.
make_images() {
  local root
  root=$(mktemp -d)
  image_tree "$root" "$1"
  image "$root" test-image
  image "$root" volume-image --change 'VOLUME /image-data'
  image "$root" root-volume-image --change 'VOLUME /'
  rm -rf "$root"
}

image() { tar -C "$1" -c . | docker import --change 'CMD ["idle"]' "${@:3}" - "$2"; }

image_tree() {
  local tool
  chmod 0755 "$1"
  mkdir -p "$1"/{bin,tmp,image-data/inner}
  chmod 1777 "$1/tmp"
  cp "$2/idle.sh" "$1/bin/idle"
  cp "$(command -v busybox)" "$1/bin/busybox"
  for tool in $(busybox --list); do
    [[ $tool == busybox ]] || ln -s busybox "$1/bin/$tool"
  done
  (
    cd "$1/image-data" || exit
    echo "from the image" | tee shared image-only >/dev/null
    echo "secret" >inner/secret
    ln -s inner/secret link
    ln shared hard-link
    chown 7:8 image-only inner
    chmod 4750 image-only
    chmod 2711 inner
    chmod 0600 inner/secret
    touch -d '2001-02-03 04:05:06' shared inner/secret
    chown 21:22 .
    chmod 1770 .
  )
}
