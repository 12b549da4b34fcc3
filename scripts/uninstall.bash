# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The part of scripts/plugin that removes an installed plugin. Volumes go with it only if FORCE=1 says so.

# The directory of a plugin's own pool. Fails if the engine is elsewhere.
own_pool() {
  local endpoint
  endpoint=$(endpoint)
  [[ -z $endpoint || $endpoint == unix://* ]] || return
  echo "$(docker info --format '{{.DockerRootDir}}')/plugins/$(field "$1" .Id)/propagated-mount/pool"
}

# The image that holds the pool, if it is not mounted there: the directory then looks as if there were no volumes. That is
# told by the device that one comes to: the engine's own mounts can hide another mount of the same path.
unmounted_image() {
  local directory
  directory=$(own_pool "$1") || return 0
  [[ ! -e $directory.img || $(stat -c %d "$directory") != "$(stat -c %d "$directory.img")" ]] || echo "$directory.img"
}

# The names of those inside the plugin's own directory that were not listed, one a line: the engine lists a volume of
# another driver in the place of one that has the same name. Fails where nobody may look, or the engine is elsewhere.
hidden() {
  local name=$1 listed=$2 directory found
  directory=$(own_pool "$name") || return
  found=$(ls "$directory/volumes" 2>/dev/null) || return
  LC_ALL=C comm -13 <(LC_ALL=C sort <<<"$listed") <(LC_ALL=C sort <<<"$found")
}

# The running containers that use its volumes, also those that began before it was disabled.
users() {
  docker ps --quiet | xargs --no-run-if-empty docker inspect --format '{{.Name}}{{range .Mounts}} {{.Driver}}{{end}}' |
    awk -v driver="$1" '{ for (i = 2; i <= NF; ++i) if ($i == driver) { print substr($1, 2); next } }'
}

uninstall_plugin() {
  local name=$1 enabled listed image hidden found="It had no volumes."
  enabled=$(field "$name" .Enabled) || fail "There is no plugin \"$name\" in this engine."
  # The engine's name for it, with a tag.
  name=$(field "$name" .Name)
  listed=$(volumes "$name")
  pool=$(pool_of "$name")
  if [[ ${FORCE:-} == 1 ]]; then
    [[ -z $pool || $enabled == true ]] ||
      fail "The plugin \"$name\" is disabled, so its volumes in $pool cannot be removed." \
        "Enable it first, or remove it without FORCE=1: then they stay there."
    remove_everything "$name" "$listed"
    return
  fi
  if [[ -n $pool ]]; then
    remove_and_keep "$name" "$listed"
    return
  fi
  [[ $enabled == true ]] || fail "The plugin \"$name\" is disabled, so nobody can say which volumes it has, and they would be" \
    "deleted with it. Enable it first (docker plugin enable ${name%:latest}), or if you are sure:  make uninstall FORCE=1"
  [[ -z $listed ]] || fail "The plugin \"$name\" has these volumes, and they would be deleted with it:" \
    "${listed//$'\n'/, }" \
    "Remove those you do not need (docker volume rm NAME), or all of them with it:  make uninstall FORCE=1"
  image=$(unmounted_image "$name")
  [[ -z $image ]] || fail "The plugin \"$name\" has an image that may hold volumes, and they would be deleted with it:" \
    "$image is not mounted where this machine could see into it." \
    "Switch the plugin off and on again (docker plugin disable --force ${name%:latest}, docker plugin enable ${name%:latest})," \
    "or if you are sure:  make uninstall FORCE=1"
  hidden=$(hidden "$name" "$listed") || found="\"docker volume ls\" showed none of its volumes."
  [[ -z $hidden ]] || fail "The plugin \"$name\" has volumes that \"docker volume ls\" does not show, most likely because" \
    "another driver has volumes of the same names, and they would be deleted with it:" \
    "${hidden//$'\n'/, }" \
    "Look whose those are (docker volume inspect -f '{{.Driver}}' NAME), copy out of them what you need, and remove them, once" \
    "each (docker volume rm NAME): then these show again. Or remove these with the plugin:  make uninstall FORCE=1"
  # The engine refuses this itself as long as it remembers a volume, which it does not if it was restarted meanwhile.
  docker plugin disable "$name" >/dev/null
  docker plugin rm "$name" >/dev/null
  echo "The plugin \"$name\" is removed. $found"
}

# The engine refuses to remove a plugin with volumes, as they would go with it. These do not.
remove_and_keep() {
  local name=$1 listed=$2 users
  users=$(users "$name")
  [[ -z $users ]] || fail "These containers use volumes of the plugin \"$name\": ${users//$'\n'/, }" \
    "Stop them first:  docker stop ${users//$'\n'/ }"
  docker plugin rm --force "$name" >/dev/null
  echo "The plugin \"$name\" is removed. Its volumes stay in $pool${listed:+: ${listed//$'\n'/, }}."
  echo "To have them back:  make install POOL=$pool PLUGIN_NAME=${name%:latest}"
}

remove_everything() {
  local name=$1 listed=$2 volume users hidden removed=()
  users=$(users "$name")
  [[ -z $users ]] || fail "These containers use volumes of the plugin \"$name\": ${users//$'\n'/, }" \
    "Stop them first:  docker stop ${users//$'\n'/ }"
  hidden=$(hidden "$name" "$listed") || true
  while read -r volume; do
    [[ -n $volume ]] || continue
    if docker volume rm "$volume" >/dev/null; then
      removed+=("$volume")
    elif [[ -n $pool ]]; then
      echo "  it stays in $pool" >&2
    else
      echo "  it goes with the plugin" >&2
      removed+=("$volume")
    fi
  done <<<"$listed"
  docker plugin rm --force "$name" >/dev/null
  while read -r volume; do
    [[ -z $volume ]] || removed+=("$volume")
  done <<<"$hidden"
  listed=$(printf '%s, ' "${removed[@]}")
  echo "The plugin \"$name\" is removed, with its volumes${removed:+: ${listed%, }}."
}
