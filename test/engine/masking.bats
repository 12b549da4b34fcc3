# SPDX-License-Identifier: Apache-2.0
# A clone shows its snapshot and nothing of the image, and no way round Docker's checks leads a snapshot to "/".

load lib

seed() {
  volume db
  run_in db 'echo "from the snapshot" >shared; echo only >snapshot-only'
  snapshot db seed
}

empty_seed() {
  volume db
  snapshot db seed
}

@test "a clone hides what the image has at its target" {
  seed
  start box -v seed:/image-data
  prints $'shared\nsnapshot-only\nfrom the snapshot' inside box 'cd /image-data; ls -A; cat shared'
}

@test "a clone hides what the image has at its target with volume-nocopy" {
  seed
  start box --mount type=volume,source=seed,target=/image-data,volume-nocopy
  prints $'shared\nsnapshot-only\nfrom the snapshot' inside box 'cd /image-data; ls -A; cat shared'
}

@test "a clone's root directory is the snapshot's and not the image's" {
  volume db
  run_in db 'chown 5:6 . && chmod 2750 . && touch -d "2002-03-04 05:06:07" .'
  snapshot db seed
  start box -v seed:/image-data
  prints "5:6 2750 $(date -u -d '2002-03-04 05:06:07' +%s)" inside box 'stat -c "%u:%g %a %Y" /image-data'
}

@test "an empty snapshot hides what the image has at its target" {
  empty_seed
  start box -v seed:/image-data
  prints end inside box 'ls -A /image-data; echo end'
}

@test "an empty snapshot with volume-nocopy hides what the image has at its target" {
  empty_seed
  start box --mount type=volume,source=seed,target=/image-data,volume-nocopy
  prints end inside box 'ls -A /image-data; echo end'
}

@test "an empty snapshot stays empty when images with content were mounted over" {
  empty_seed
  content seed >before
  docker run --rm --network none -v seed:/image-data test-image true
  docker create --network none -v seed:/image-data test-image
  docker run --rm --network none -v seed:/image-data:ro volume-image true
  content seed | diff before -
}

@test "an image's VOLUME is hidden by a snapshot mounted there" {
  seed
  prints $'shared\nsnapshot-only' docker run --rm --network none -v seed:/image-data volume-image ls /image-data
}

@test "a target the image lacks shows the snapshot" {
  seed
  start box -v seed:/not/in/the/image
  prints "from the snapshot" inside box 'cat /not/in/the/image/shared'
}

@test "an empty snapshot at a target the image lacks is empty" {
  empty_seed
  start box -v seed:/not/in/the/image
  prints end inside box 'ls -A /not/in/the/image; echo end'
}

@test "Docker refuses a snapshot at the container's root, in every spelling" {
  local target
  seed
  for target in / // /. /.. /foo/.. "\\" "/\\"; do
    refused "destination can't be '/'" \
      docker create --network none --mount "type=volume,source=seed,target=$target" test-image
  done
  refused "destination can't be '/'" docker create --network none -v seed:/ test-image
}

# The anonymous volume of a root target, and no other, is what the plugin is asked for.
root_reaches_no_snapshot() {
  seed
  content seed >before
  layers seed >layers-before
  if docker run --network none --name box "$@" sh -c 'echo changed >/shared; rm -f /snapshot-only'; then
    echo "a volume was mounted at the container's root"
    return 1
  fi
  prints "snapclone:latest / 64" \
    docker inspect -f '{{range .Mounts}}{{.Driver}} {{.Destination}} {{len .Name}}{{end}}' box
  end box
  content seed | diff before -
  layers seed | diff layers-before -
}

@test "-v / gives an anonymous volume and never a snapshot" {
  root_reaches_no_snapshot --volume-driver snapclone -v / test-image
}

@test "-v /foo/.. gives an anonymous volume and never a snapshot" {
  root_reaches_no_snapshot --volume-driver snapclone -v /foo/.. test-image
}

@test "an image's VOLUME / gives an anonymous volume and never a snapshot" {
  root_reaches_no_snapshot --volume-driver snapclone root-volume-image
}
